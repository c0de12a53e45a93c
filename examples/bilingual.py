"""English and Chinese in one memory: each is found in its own language; from the other one less surely.

Run it with `python examples/bilingual.py`.
"""

import tempfile
from pathlib import Path

from keepstone import Memory

SAID = (
    "I teach ceramics at a small studio near the river.",
    "妈妈的膝盖手术很成功，医生说她月底就能走路了。",
    "The celadon glaze came out best at 1230 degrees.",
    "我妹妹林悦在杭州当小学老师。",
    "Every Saturday morning I run along the old harbour.",
)
QUESTIONS = {
    "妈妈的手术怎么样了？": "手术很成功",
    "Which glaze came out best?": "celadon",
    "她妹妹在哪里工作？": "杭州",
    "When do I run?": "Saturday",
    "How did my mother's surgery go?": "手术很成功",  # across languages, only the vectors help
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / "bilingual.db") as memory:
        for record in memory.add([{"content": text} for text in SAID], user_id="mei").memories:
            print(f"{record.language}  {record.text}")
        for question, wanted in QUESTIONS.items():
            best = memory.search(question, user_id="mei", limit=1)[0]
            print(f"\n{question}\n  {best.score:.2f}  {best.text}")
            assert wanted in best.text


if __name__ == "__main__":
    main()
