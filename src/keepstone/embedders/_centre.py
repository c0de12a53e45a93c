"""The mean of the on-device model's document vectors over everyday dialogue, half in English and half in Chinese.

`benchmarks/centre.py` prints it from dialogues under permissive licences.
"""

from __future__ import annotations

# 384 half-precision numbers, little endian, in base64.
CENTRE = (
    "1ioHnnGqhqm4LHiotB5dJ5csVSE9KBOcMi1upkaslChWK+2o5Khcq5knax4RqjYoASw+KxupQilpKXKtr6rfp5oqNqtaLIAogqqTq4godqsX"
    "ojkmOSvgLM4qdCmYqAQraqw3p+unkylGIhUsCSjSq/uqqa2VrFApQyzXoBskVyWALbEq5CjnKReq6KQhqmYsmJnJqTgiTiRWKKipNyjdqEes"
    "oKm+qLApmatcKnoq5qs3LHyhYyqaKByqJapZre2pkqqXKwAsEKTgK+mmAiKOq/+o5ShkKQWsuiltq+WqvSifKq4pnqxXqIGoHKt7KQSqlCne"
    "prOrCKb5qmWpUyeAKk8Td5hrKromRQ0cKb8mZy30qMMchKJuqD+o/yr4qFcqxSoGJX0rsql9LJWp2CafqXoqZSj9KSyqDqsVq4koOSlPqWCs"
    "Eaz+otis+6lhJw8sSqhOpceoWyhQqhMmPZUmKy+pOiRALa8pf6NMpQGr7KgGq6enD6nxJnMkJ6GdnJEpnamLrFqq0yGsq18qIStbKskd76dO"
    "JzsozypSozCsUScaqRooNymSrFmsMyxerJeY9h31Kx6qYCcNKeWj4ibbrK6oJSsJKx+riKoZKV2p3KaHqv2suqo3rEaWzSgKKoGq/J2Rq5Em"
    "R6sWK6moh6hZKPMdSidXKeKrPanXq8ClbygYLB8tZahQJxsmoaaILS0prytBKBSrL6XsqtunO6vWJaIqxauqql6pDiq8LDOqVqi/KZAmECWI"
    "KsgpWaRlpwArq6lHpvmdo6XOKOynAywWJfuYhyuwq6gsvKUspwYpmSMarm4mvyVqKJkmuCuSLGkrEaslqZ8ndSp2pAodB6oxqeWo+qnXpNir"
    "aCgjK4OrLKgbLEojqSTvpEaqmCk2qcGg/KmLKlWqFKtpJZwp36nmKVCodas4KyWo76YnJtQpIK3MI1ErMaNyKcKqBqfGKycrI6xXqFMrhSoz"
    "KxMpziL+mi8pVKwCLJIpsqo6FDmp1qsbrN4p56m+qfYjtyxJKxgr"
)
