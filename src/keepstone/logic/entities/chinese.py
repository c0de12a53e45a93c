"""Names in Chinese: titles in 《》, a surname with an office or kinship, and full names beside words that take them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepstone.naming import EntityKind, Mention

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方"
    "石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕"
    "聂焦向柳邢骆岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜路詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵"
)
_DOUBLE = "欧阳|上官|司马|诸葛|司徒|东方|独孤|南宫|夏侯|皇甫|尉迟|公孙|慕容|令狐|端木|长孙"
_OFFICE = (
    "老师|医生|大夫|经理|总监|总|教授|律师|师傅|主任|校长|院长|局长|处长|科长|部长|书记|班长|队长|教练|导演|博士|护士|老板|会计|工"
    "|阿姨|叔叔|叔|姨|伯伯|伯|爷爷|奶奶|婶|大爷|大妈|哥|姐|先生|女士|小姐|太太|同学|同志"
)
_GIVEN = "[\u4e00-\u9fff]"
_TITLED = re.compile(f"(?P<name>(?:{_DOUBLE}|[{_SURNAMES}])(?:{_GIVEN}{{1,2}}?)?(?:{_OFFICE}))(?![师长工])")
_NICK = re.compile(
    f"(?<![大最多少胆矮渺细微])(?P<name>[小老阿][{_SURNAMES}])(?![\u4e00-\u9fff]?(?:时|心|说里|区|狗|猫|孩|学|家|龙虾|米|麦|吃|马路))"
)
_BOOK = re.compile("[《〈](?P<name>[^《》〈〉\n]{1,40})[》〉]")
_CALLED = re.compile(
    "(?:叫做?|名叫|名字是|名字叫)(?P<name>[\u4e00-\u9fff]{2,4}?)(?=[，。！？,.!?、；\n]|的|，|$|是|在)"
)
_FULL = f"(?P<name>(?:(?:{_DOUBLE}){_GIVEN}{{1,2}}|[{_SURNAMES}]{_GIVEN}{{1,2}}))"
_BEFORE = (
    "(?:和|跟|与|给|找|请|问|叫|见到|遇到|碰到|认识|同学|同事|朋友|室友|邻居|老师|导演|作家|歌手|演员|妹妹|弟弟|哥哥|姐姐|女儿|儿子"
    "|丈夫|妻子|老公|老婆|表哥|表姐|堂哥|堂姐)"
)
_SAYS = (
    "(?:很|打|吃|拍|去|在|同|和|也|说|告诉|问|来了|觉得|喜欢|今天|昨天|明天|推荐|送|约|请|给我|帮|结婚|一起|是我|，你|老师|跟我|生日"
    "|的(?:妈妈|爸爸|婚礼|生日|电话|书|电影|歌))"
)
_NAMED_AFTER = re.compile(f"(?<![\u4e00-\u9fff]){_FULL}(?={_SAYS})")
_NAMED_BETWEEN = re.compile(f"{_BEFORE}了?{_FULL}(?={_SAYS}|[，。！？,.!?、；\n]|$)")
_PLACE_IN = re.compile(
    "(?:住在|搬到|搬去|去|来到|到|飞往?|前往|在|来自|老家在?)了?(?P<name>[\u4e00-\u9fff]{1,6}?(?:省|市|县|区|镇|村|路|街|山|湖|岛|河|江|海|"
    "州|京|机场|公园|大学|医院|博物馆|车站|寺|塔|桥|广场|古城|古镇)(?![市县区湖岛古省镇]))"
)
_ORGANISATION_ENDS = re.compile(
    "[\u4e00-\u9fff]{2,10}?(?:公司|集团|银行|大学|学院|中学|小学|医院|研究所|出版社|律所|基金会|协会)"
)
_NO_NAME = re.compile(
    "^(?:小时|周[末一二三四五六日天]|高兴|高中|高考|方便|方法|方面|方式|时候|时间|时代|成功|成为|成绩|成都|常常|常见|任何|任务|安全|安排|安静|向来|向往|金融|白天|文化|文章"
    "|马上|马路|于是|何时|何必|何况|万一|温暖|温度|严重|严格|江南|海边|田野|石头|石油|钱包|黄色|黄金|黄瓜|白色|白菜|夏天|夏季|康复|包括|包子|单位|单身|单独"
    "|路上|路边|管理|关于|关系|关心|左右|左边|游戏|游泳|项目|曲子|阳光|阳台|位置|金额|盛大|花园|许多|许愿|明天|史上|程序|程度|余下|谢谢|陆续|武术|毕业|毕竟"
    "|水|全|那|这|双|雷声|龙虾|牛奶|牛肉|马拉松|梅花|柳树|章节|易|安心|祝你|祝|查|齐|温柔|元|文学|文件|宁愿|宁静|顾客|顾虑|严肃|平|童年|童话|席|申请|卫生)"
)
_KIND_OF_TITLE: EntityKind = "thing"


def mentions(text: str) -> Iterator[Mention]:
    """Yield what *text* names."""
    for match in _BOOK.finditer(text):
        yield Mention(name=match["name"], kind=_KIND_OF_TITLE)
    for pattern in (_TITLED, _NICK, _NAMED_AFTER, _NAMED_BETWEEN):
        for match in pattern.finditer(text):
            if not _NO_NAME.match(match["name"]):
                yield Mention(name=match["name"], kind="person")
    for match in _CALLED.finditer(text):
        if not re.match("[我你他她它这那什么了过来去一做]", match["name"]):
            yield Mention(name=match["name"], kind="person")
    for match in _PLACE_IN.finditer(text):
        if not re.search(
            "[这那我你他她的了]|一起|自己|哪|^[一几每各本该某爬登逛看打吃买坐]|^(?:城|县|省|市|超|都|大|小|街|马|后|前|左|右|上|下|学|医|广)..?$",
            match["name"],
        ):
            yield Mention(
                name=match["name"], kind="organisation" if _ORGANISATION_ENDS.fullmatch(match["name"]) else "place"
            )
