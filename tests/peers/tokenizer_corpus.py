"""Texts on which tokenizers go wrong, written for this project.

`TEXTS` are written by hand; `mixtures(n)` draws n texts of random pieces;
`CODE_POINTS` takes every code point through the tokenizer once.
"""

import random
import unicodedata

PIECES = [
    # English, contractions, also in upper case and with a curly apostrophe
    "Hello world", "don't DON'T Don'T", "we'll WE'LL they've I'M he'D it'S",
    "can’t won’t", "'s's 'S 'll 'LL' 'ſ 'ſs ſ's K'K", "O'Reilly's", "rock'n'roll",
    "The quick brown fox jumps over the lazy dog.", "hello-world_foo.bar",
    "CamelCaseHTTPServer2Go", "naïve café Ångström", "ALL CAPS AND MiXeD",
    # numbers
    "0", "1234567890", "3.14159", "1,234,567.89", "-42e-10", "0xDEADBEEF",
    "１２３４", "٠١٢٣٤٥٦٧٨٩", "१२३४५", "Ⅷ ⅷ ½ ¾ ² ³ ①②③ 一二三", "v1.2.3-rc4",
    "2024-02-29T23:59:59Z", "12 345 678", "(555) 123-4567",
    # white space
    " ", "  ", "   ", " " * 17, " " * 70, "\t", "\t\t", "\n", "\n\n", "\n\n\n\n",
    "\r\n", "\r\n\r\n", "\r", " \n", "\n ", "  \n  ", " \t \t ", "\u00a0",
    "\u2003\u2009", "\u3000", "\u202f", "\u205f", "\u1680", "\u180e", "\u0085",
    "\u2028", "\u2029", "\v\f", "\u200b", "\ufeff", "a  b", "a   b", "a\u00a0 b",
    "x \u3000 y", "trailing   ", "   leading", "line one\n  line two\n\tline three\n",
    # punctuation
    "!!!", "?!?!", "...", "…", "—–-", "«quote» „quote“ ‘quote’ “quote”", "$100 €5 £3 ¥7 ₿1",
    "a+b=c; d<e>f & g|h ^ ~i", "###", "***bold***", "`code`", "\\n \\t \\\\", "@user #tag",
    "100%", "{}[]()<>", "_under_score_", "/path/to/file.txt", "C:\\Users\\x",
    "¡Hola! ¿Qué tal?", "、。「」『』【】", "，！？：；", "٪ ؟ ،", "।॥", "†‡•‣", "§¶©®™",
    # addresses and code
    "https://example.com/a/b?c=d&e=%20f#g", "mailto:a.b+c@example.co.uk",
    "def f(x):\n    return x ** 2  # square\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}",
    "SELECT * FROM t WHERE a <> 'b''c';", "<div class=\"x\">&nbsp;</div>",
    '{"key": [1, 2.5, null, true], "s": "\\u00e9"}', "#include <stdio.h>\r\nint main(void){}\r\n",
    "\\frac{1}{2} \\sum_{i=0}^{n} x_i", "$ ls -la | grep '^d' && echo \"$HOME\"",
    # Latin with marks, composed and decomposed
    "é", "e\u0301", "e\u0301\u0327", "e\u0327\u0301", "A\u030a", "\u212b", "ﬁ ﬂ ﬃ", "ß ẞ ŉ ǆ",
    "İstanbul ıI iİ", "q\u0307\u0323", "q\u0323\u0307", "\u0301x", " \u0301", "\n\u0301",
    "Việt Nam", "Vie\u0323\u0302t", "Z\u0351\u036b\u0343a\u0327\u0300l\u0334g\u0335o\u0321",
    # other scripts
    "Привет, мир! Ёлка ёлка", "Здравствуйте ІЇЄҐ", "Γειά σου Κόσμε ΣΑΣ σας", "Ωμέγα ά α\u0301",
    "שלום עולם", "שָׁלוֹם", "בְּרֵאשִׁית", "\ufb2a\ufb49", "مرحبا بالعالم", "السَّلَامُ عَلَيْكُمْ", "ﷺ ﻻ", "فارسی نمی‌خواهم",
    "नमस्ते दुनिया", "क्षत्रिय ज्ञान श्री", "क\u093c \u0958", "বাংলা ভাষা", "தமிழ் மொழி", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી",
    "สวัสดีชาวโลก", "กำลัง ก็ ที่", "ພາສາລາວ", "မြန်မာဘာသာ", "ភាសាខ្មែរ", "བོད་སྐད་", "አማርኛ ፩፪፫", "ქართული ႠႡ",
    "Հայերեն եւ և", "ᏣᎳᎩ ꭰꭱ", "ᚠᚢᚦᚨᚱᚲ", "𐌰𐌱𐌲", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚", "𓀀𓁐", "𒀀𒁀",
    "你好，世界！", "今天天气很好。我们去公园吧", "繁體中文測試", "こんにちは世界", "カタカナ ｶﾀｶﾅ ﾞﾟ", "が か\u3099 ゔ",
    "안녕하세요 세계", "\u1112\u1161\u11ab\u1100\u1173\u11af", "각 \u1100\u1161\u11a8", "𠮷野家 𩸽", "豈 \uf900 \u2f00 々〆",
    "中文English混排123测试", "日本語text混在", "한국어와English",
    # emoji
    "😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷🇺", "❤️ ❤", "1️⃣ #️⃣", "🤷🏿‍♀️", "☕️ ☕︎", "🫠🫨🪿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    # control characters, private use, unassigned, non-characters
    "\x00", "\x01\x02\x03", "\x07\x08", "\x1b[31mred\x1b[0m", "\x7f", "\x80\x81\x9f", "\u00ad", "\u200c\u200d",
    "\u202a\u202e\u2066", "\ue000\uf8ff", "\U000f0000", "\U0010ffff", "\ufffe\uffff", "\ufffd", "\u0378\u0379",
    "\U000e0001\U000e0041", "\ufe0f\ufe0e", "\u034f", "\U0001fae9", "\U0001f8ff", "\u2fff", "\U00030000",
    # what only looks like a token, and what is one in some vocabulary
    "<|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n", "<s>", "</s>", "<s>a</s>", " <s> ", "<unk>", "<pad>",
    "<bos>", "<eos>", "<start_of_turn>user\n", "<end_of_turn>", "<|begin_of_text|>", "<|eot_id|>",
    "<|start_header_id|>system<|end_header_id|>\n\n", "[INST] x [/INST]", "[gMASK]<sop>", "<|user|>", "<think>\n</think>",
    "<｜begin▁of▁sentence｜>", "<｜User｜>", "<|endoftext", "|endoftext|>", "<|ENDOFTEXT|>", "<0x0A>", "<0xFF>", "▁", "▁▁a▁b ▁",
    "Ġ Ċ ĉ Ġthe", "</s> <s>", "  <|im_end|>  x", "a<|im_end|>b", "<tool_call>", "<|fim_prefix|>", "<unused0>", "<h1>", "[UNK]", "[CLS]",
]

TEXTS = (
    [""]
    + PIECES
    + [" " + p for p in PIECES]
    + [p + " " for p in PIECES]
    + ["a" + p + "b" for p in PIECES]
    + [p + "\n" + p for p in PIECES]
    + [
        "a" * 3000,
        "ab" * 2000,
        "é" * 1000,
        "中" * 1500,
        "😀" * 500,
        " " * 3000,
        "\n" * 1000,
        " \n" * 700,
        "\t " * 700,
        "1" * 1000,
        "!" * 1000,
        "-=" * 800,
        "e" + "\u0301" * 500,
        "x" + "\u0301\u0323" * 200 + "y",
        "abcdefghijklmnopqrstuvwxyz" * 100,
        "the" * 700,
        "<|im_end|>" * 50,
        "<s>" * 50,
    ]
)


def mixtures(count, seed=1):
    """`count` texts of 1 to 12 random pieces."""
    draw = random.Random(seed)
    joints = ["", "", "", " ", "\n", "  ", "\t", "a", "1", "'"]
    texts = []
    for _ in range(count):
        pieces = draw.choices(PIECES, k=draw.randint(1, 12))
        texts.append("".join(p + draw.choice(joints) for p in pieces))
    return texts


def random_code_points(count, seed=2):
    """`count` short texts of code points drawn from all of Unicode."""
    draw = random.Random(seed)
    ranges = [(0, 0x80), (0x80, 0x800), (0x800, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000), (0, 0x110000)]
    texts = []
    for _ in range(count):
        text = ""
        for _ in range(draw.randint(1, 20)):
            low, high = draw.choice(ranges)
            point = draw.randrange(low, high)
            if not 0xD800 <= point < 0xE000:
                text += chr(point)
        texts.append(text)
    return texts


def every_code_point():
    """Each assigned or unassigned code point between letters, spaces, digits."""
    texts = []
    for start in range(0, 0x110000, 64):
        points = [p for p in range(start, start + 64) if not 0xD800 <= p < 0xE000]
        if points and any(unicodedata.category(chr(p)) != "Co" for p in points):
            texts.append("".join(f"a{chr(p)} {chr(p)}1{chr(p)}" for p in points))
    return texts
