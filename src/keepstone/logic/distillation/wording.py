"""Words that a fact may have without its sources having them: the frame of a statement, not what it states."""

from __future__ import annotations

import re

from keepstone.logic.text import stem

# Subjects and roles, what somebody does with a thing, and how it is put.
GENERIC = frozenset(
    """
    user users person someone somebody assistant ai app like liked love enjoy prefer preference favorite
    favourite favor fond fan interested interest hobby hate dislike avoid want wish hope need plan intend
    intention goal aim consider considering decide decision think believe feel find found live reside residence
    home based located stay move relocate born birthday age aged old year years work job employ employer
    profession occupation career role position serve own owner possess keep have use using go goes going went
    visit travel trip attend participate take took takes taking make made makes making get got gets getting
    give gave given do doing start started begin began stop stopped quit continue still longer former formerly
    previously used current currently now recently since until before after during regularly usually often
    sometimes always never daily weekly monthly yearly every each time times day days week weeks month months
    morning evening know known call called name named mention mentioned say said tell told report reported
    state stated ask asked request requested remind reminder remember schedule scheduled arrange appointment
    meeting meet met buy bought purchase purchased receive received sell sold pay paid cost costs spend spent
    marry married wed single dating divorced relationship family spouse partner child children parent parents
    sibling siblings allergic allergy intolerant diagnosed suffer condition eat eats eating drink drinks
    drinking diet study studied studying learn learned learning speak speaks spoken language one two three both
    several many few more most less least new old first second last next about around approximately able unable
    can cannot not due because while instead rather than such including include also practice play plays
    playing train training exercise help helped helps try tried trying look looking different same certain
    particular various away back left leave leaving return came come coming years-old aged around per lot big
    small good bad well better best expect expected plans arrive arriving join joined joining become became
    becoming change changed switch switched complete completed finish finished pass passed win won lose lost
    break broke broken confirm confirmed confirms proceed proceeds date dates draft target agree agreed agrees
    approve approved accept accepted finalize set setting option detail details item items list lists thing
    things way kind type part main current ongoing upcoming future past some any much little lot lots bit
    almost nearly just only even another other others together well own under over within pet pets drive drives
    driving ride rides riding walk run wear wears need-to early late mid
    """.split()
)

# Chinese words of the same sort, the longest first where one begins another.
_GENERIC_CHINESE = """
    用户 使用者 本人 自己 他人 某人 助手 喜欢 喜爱 爱好 热爱 偏好 偏爱 偏向 最爱 爱吃 爱喝 兴趣 感兴趣 讨厌
    厌恶 反感 不喜欢 不爱 避免 想要 想 希望 需要 需 打算 计划 准备 决定 目标 考虑 认为 觉得 感到 表示 提到 说过
    曾经 曾 以前 之前 过去 原来 原先 现在 目前 当前 如今 现 已经 已 不再 仍然 仍 还 一直 经常 常常 常 通常 平时
    平常 总是 从不 从来 有时 偶尔 每天 每周 每月 每个月 每个星期 每个 每年 定期 定居 居住 居住地 住在 住 家住 位于
    搬到 搬去 搬家
    迁居 来自 出生 生于 生日 年龄 岁 今年 工作 上班 就职 任职 担任 从事 职业 职位 岗位 公司 单位 就读 上学 学习
    在学 正在 毕业 拥有 有 养有 养了 养 名叫 叫做 叫 名字 姓名 名为 称为 称呼 使用 用 常用 习惯 去过 前往 去 到
    来 参加 参与 进行 开始 停止 放弃 戒掉 戒了 继续 会 能 能够 可以 不能 无法 不会 不要 不吃 不喝 不用 没有 没
    无 购买 买了 买 收到 获得 花费 花了 价格 支付 付 交 缴 约为 大约 约 左右 差不多 结婚 已婚 未婚 单身 离婚 恋爱 对
    过敏 患有 患 确诊 得了 身体 饮食 吃 喝 口味 掌握 会说 会讲 语言 母语 擅长 安排 预约 预定 日程 时间 日期
    提醒 记住 要求 请求 见面 见 认识 成为 当上 加入 离开 回到 返回 变成 改为 改成 换成 换了 换 转为 完成 通过
    失去 失败 完 练习 锻炼 运动 开车 骑 走路 跑 穿 戴 帮助 帮忙 尝试 试试 因为 由于 所以 因此 而 但是 但 以及
    并且 并 和 与 跟 或 及 其 该 此 这 那 之 为 是 于 从 自 将 把 被 给 让 向 往 在 以 等 一个 一只 一位 一名
    一家 一次 一些 一种 两个 两只 个 只 位 名 家 次 种 条 辆 台 件 天 年 月 日 号 周 点 小时 分钟 中 里 上 下
    内 外 前 后 时 时候 期间 之后 之前 以来 以后 左右 起 多 少 大 小 新 旧 好 不错 很 非常 比较 特别 最 更 太
    都 也 就 才 又 再 不 未 别 的 地 得 了 着 过 们 举办 举行 会议 记录 记下 其实 其他 结婚 服用 生活 日常
    安排在 需求 计划在 定在 定于 买入 卖掉 出售 领养 收养 管理 操作 显示 设置 练 教 带 送 接 等等 关系 身份
    职务 老家 家乡 籍贯 毕业于 专业 主修 辅修 目的 目的地 地址 电话 邮箱 号码 密码 生效 有效 截止 截至 为止 人
    事 情况 方面 东西 方式 原因 结果 问题 主要 需求 信息 关于 相关 不同 一样 相同 其中 包括 例如 如 伴侣 配偶
    家人 家庭 父母 孩子 子女 宠物 妻子 丈夫 去世 过世 生病 受伤 每次 每晚 每早 早上 晚上 早晨 下午 上午 中午
    周末 工作日 乘坐 乘 坐 开 做 在家 回家 出门 出差 旅行 旅游 游玩 玩 看 听 写 读 说 讲 学 教 做饭 计划去 即将
    将要 预计 打算去 正式 负责 领导 管理 属于 处于 具有 存在 选择 接受 拒绝 同意 反对 支持 相信
    """.split()
_LONGEST = max(map(len, _GENERIC_CHINESE))
_WORDS = frozenset(_GENERIC_CHINESE)


# Those of one character, which stand inside of other words as well.
GENERIC_CHARACTERS = "".join(w for w in _GENERIC_CHINESE if len(w) == 1)


def without_generic(run: str, least: int = 1) -> tuple[str, ...]:
    """Return what is left of a run of Chinese characters after its generic words, greedily the longest first.

    Words of fewer than *least* characters stay.
    """
    left: list[str] = []
    current = ""
    position = 0
    while position < len(run):
        size = next(
            (
                n
                for n in range(min(_LONGEST, len(run) - position), least - 1, -1)
                if run[position : position + n] in _WORDS
            ),
            0,
        )
        if size:
            if current:
                left.append(current)
            current = ""
            position += size
        else:
            current += run[position]
            position += 1
    return (*left, current) if current else tuple(left)


# What begins a statement and is no name, though it has a capital.
OPENERS = frozenset(
    """
    prefers likes loves enjoys hates dislikes wants needs has had is was will works worked lives lived owns
    plans planned allergic vegetarian vegan born married single divorced moved moving used uses avoids believes
    feels thinks knows started stopped quit joined left bought sold speaks studies studied plays played runs
    drives takes took made makes currently previously formerly recently originally usually often always never
    sometimes now today every each once when while since until after before during in on at by for from to with
    without because if although as about around there this that these those here it its they their he his she
    her we our you your my who what which where how why both all some many most several no not only also then
    however meanwhile instead despite due according call calls ask asks answer answers reply use keep write
    speak send check run make do don't never always please birthday hobby hobbies job goal home family favorite
    favourite name age plan plans project work phone address email breakfast lunch dinner appointment meeting
    trip flight rent budget weight height diet
    """.split()
)

# Past forms that no ending tells, each with its root, so that "bought" and "buy" are one word.
ROOTS = dict(
    pair.split("-")
    for pair in """
    bought-buy taught-teach sold-sell ate-eat eaten-eat drank-drink went-go gone-go saw-see seen-see took-take
    taken-take gave-give given-give got-get came-come wrote-write written-write drove-drive driven-drive rode-ride
    ridden-ride ran-run swam-swim sang-sing sung-sing flew-fly flown-fly grew-grow grown-grow knew-know known-know
    broke-break broken-break chose-choose chosen-choose spoke-speak spoken-speak wore-wear worn-wear won-win
    lost-lose left-leave met-meet made-make paid-pay kept-keep slept-sleep built-build sent-send spent-spend
    found-find felt-feel held-hold told-tell brought-bring caught-catch thought-think fought-fight began-begin
    begun-begin quit-quit became-become stood-stand understood-understand read-read learnt-learn asleep-sleep
    """.split()
)

ENGLISH_NEGATION = (
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|longer|hardly"
    r"|barely|rarely|seldom|nowhere)\b|n['’]t\b"
)
# What may be put as "not": dislike, end, lack, contrast.
_NEAR_NEGATION = (
    r"dislik|hat(?:e|es|ed|ing)\b|avoid|stop|quit|gave up|giv(?:e|es|ing|en) up|refus|allerg"
    r"|intoleran|can ?not|instead|rather",
    r"except|unless|fail|lack|miss|skip|former|used to|ex-|left|leave|mov(?:e|ed|ing)|sold|sell"
    r"|cancel|lost|los(?:e|ing)",
    r"broke|split|divorc|vegan|vegetarian|only|forbid|ban(?:s|ned)?\b|unable|un(?!cle|iv|ion|it|der|til)\w+|dis\w+|over\b|end(?:s|ed|ing)?\b|drop|cut"
    r"|out of|free|away|off\b|bad",
    r"awful|terrible|worst|sick of|tired of|declin|reject|turned down|resign|fired|retir|dead|died"
    r"|pass(?:ed|es|ing)?\b|switch|chang|wrong",
    r"mistake|actually|sober|single|vacant|empty|no-|exclud|inabil|difficult|struggl|prevent|paus|suspend|postpon|hold|held",
)
ENGLISH_NEGATIVE = rf"{ENGLISH_NEGATION}|\b(?:{'|'.join(_NEAR_NEGATION)})"
CHINESE_NEGATION = r"[不没勿]|未(?![来婚])|无(?![锡论线])|非(?![洲常])|(?<![特分区性个级类])别(?![墅人名克])"
CHINESE_NEGATIVE = CHINESE_NEGATION + (
    "|讨厌|反感|厌恶|受不了|戒|停|放弃|辞|离|搬|卖|取消|丢|失|分手|过敏|忌|避|拒|禁|素|以前|之前|改|换|退|免|少|怕|错|完"
    "|结束|去世|过世|断|空|单身|除了|只|其实"
)

# What opens a reminder: it says something itself, or is an echo of one.
REMINDER = re.compile(
    r"^(?:(?:please|always|just|and|so)[,\s]+|you (?:must|should|have to|need to|had better)(?:n['’]t| not)?\s+)*"
    r"(?:(?:remember|note|remind me|keep in mind|bear in mind)(?:\s+to (?:not|never) forget)?"
    r"|(?:don['’]t|do not|never|must ?n['’]t|not)\s+forget|forget)\b"
    r"(?:\s+(?:that|this|to)\b|\s+to remind me(?:\s+(?:that|to))?)?[\s,:;.!–—-]*"
    r"|^(?:请|麻烦|一定|千万|永远|要|帮我|给我|你|[，,\s])*(?:记住|记得|记下|别忘记?|不要忘记?|勿忘|提醒我?)"
    r"(?:了|啊|哈|哦|呀|吧|永远|别忘|提醒我|要|[，,：:！!。\s—])*",
    re.IGNORECASE,
)


def root_of(word: str) -> str:
    """Return the stem of an English word, in lower case, that of its root if it is an irregular form."""
    return stem(ROOTS.get(word, word))
