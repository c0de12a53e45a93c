"""中文:出处、实体、运行与清除。"""

WORDS: dict[str, str] = {}
