"""Writes tests/data/tokenizer/*.json: what the `tokenizers` package makes of
small hand-written tokenizers, one or more per component, and of the bundled
model's. Run with the packages of tests/peers/requirements.txt; the files are
committed.

    python tests/peers/make_tokenizer_golden.py

And what the `sentencepiece` package makes of three small models of its own.
"""

import json
import pathlib
import tempfile

import sentencepiece
from tokenizer_corpus import PIECES
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/data/tokenizer"

TEXTS = [
    "", " ", "a", "ab cd", "  ab  cd  ", "Don't STOP", "a1b22 333", "a.b,c! (d)",
    "tab\tnew\nline\r\n", "a\u00a0b\u3000c", "ÅE\u0301 \u212b ﬁ", "İSΣ", "中文 字",
    "😀a", "x_y-z", "\u0903a\u0300", "٣٤ ²Ⅷ", "aa<x>bb", "a <x> b", "a  <y>  b",
    "w<z>w <z> w", "new york New York", "<x><x>", "--a--b--", "▁a ▁b",
]

ADDED = [
    {"id": 1, "content": "<x>", "special": True},
    {"id": 2, "content": "<y>", "special": True, "lstrip": True, "rstrip": True},
    {"id": 3, "content": "<z>", "special": False, "single_word": True},
    {"id": 4, "content": "new york", "special": False, "normalized": True},
]


def added(tokens):
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return [{flag: False for flag in flags} | token for token in tokens]


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def metaspace(**options):
    return {"type": "Metaspace", "replacement": "▁"} | options


LOWER = {"type": "Lowercase"}
PREPEND = {"type": "Prepend", "prepend": "▁"}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
DASH = {"String": "-"}
SPACE = {"Regex": "\\s+"}
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]

NORMALIZERS = {
    "NFC": {"type": "NFC"},
    "NFD": {"type": "NFD"},
    "NFKC": {"type": "NFKC"},
    "NFKD": {"type": "NFKD"},
    "Lowercase": LOWER,
    "StripAccents": sequence("normalizers", {"type": "NFD"}, {"type": "StripAccents"}),
    "Strip": {"type": "Strip", "strip_left": True, "strip_right": True},
    "StripLeft": {"type": "Strip", "strip_left": True, "strip_right": False},
    "Nmt": {"type": "Nmt"},
    "Prepend": PREPEND,
    "ReplaceString": SPACES,
    "ReplaceRegex": {"type": "Replace", "pattern": {"Regex": " {2,}|[a-c]?"}, "content": "-"},
    "Sequence": sequence("normalizers", PREPEND, SPACES),
    "ByteLevel": {"type": "ByteLevel"},
}

PRE_TOKENIZERS = {
    "ByteLevel": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "ByteLevelPrefix": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    "ByteLevelPlain": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False},
    "Digits": {"type": "Digits", "individual_digits": False},
    "DigitsAlone": {"type": "Digits", "individual_digits": True},
    "Whitespace": {"type": "Whitespace"},
    "WhitespaceSplit": {"type": "WhitespaceSplit"},
    "Punctuation": {"type": "Punctuation"},
    "PunctuationContiguous": {"type": "Punctuation", "behavior": "Contiguous"},
    "CharDelimiterSplit": {"type": "CharDelimiterSplit", "delimiter": "-"},
    "FixedLength": {"type": "FixedLength", "length": 3},
    "Metaspace": metaspace(),
    "MetaspaceFirst": metaspace(prepend_scheme="first", split=True),
    "MetaspaceNever": metaspace(prepend_scheme="never", split=True),
    "MetaspaceWhole": metaspace(prepend_scheme="always", split=False),
    "SplitWords": split({"Regex": r"(?i:'s|'t)|\w+|\h|\b"}, "Isolated"),
    "SplitDots": split({"Regex": r"(?m:.)[^\S\n]{,2}(?<=\S)|^a|d$"}, "Isolated"),
    "SplitEmpty": split({"Regex": "x*"}, "Isolated"),
    "Sequence": sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, split(SPACE, "MergedWithNext")),
}
for behavior in BEHAVIORS:
    PRE_TOKENIZERS["Split" + behavior] = split(DASH, behavior)
    PRE_TOKENIZERS["SplitRegex" + behavior] = split(SPACE, behavior)
    PRE_TOKENIZERS["SplitInvert" + behavior] = split(SPACE, behavior, True)

DECODERS = {
    "none": None,
    "ByteLevel": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
    "Fuse": {"type": "Fuse"},
    "Metaspace": metaspace(),
    "MetaspaceNever": metaspace(prepend_scheme="never"),
    "Strip": sequence("decoders", {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 0}),
    "ReplaceRegex": {"type": "Replace", "pattern": {"Regex": "[ab]"}, "content": "_"},
    "BPEDecoder": {"type": "BPEDecoder", "suffix": "|"},
    "Llama": sequence(
        "decoders", {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}),
}

POST_PROCESSORS = {
    "TemplateProcessing": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "S", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "E", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"S": {"id": "S", "ids": [1, 2], "tokens": ["<x>", "<y>"]},
                           "E": {"id": "E", "ids": [3], "tokens": ["<z>"]}},
    },
    "RobertaProcessing": {"type": "RobertaProcessing", "cls": ["<x>", 1], "sep": ["<y>", 2], "trim_offsets": True,
                          "add_prefix_space": True},
    "Sequence": {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        {"type": "BertProcessing", "cls": ["<x>", 1], "sep": ["<y>", 2]}]},
}


def make(model, **parts):
    parts = {"normalizer": None, "pre_tokenizer": None, "decoder": None, "post_processor": None, "added_tokens": []} | parts
    return {"version": "1.0", "truncation": None, "padding": None, "model": model} | parts


def bpe(vocab, merges=(), **options):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "vocab": {token: i for i, token in enumerate(vocab)},
            "merges": list(merges)} | options


def boundaries():
    """A model that shows where words end: the last character of a word is
    another token than the same character elsewhere."""
    characters = set("-_▁")
    for text in TEXTS:
        for normalizer in list(NORMALIZERS.values()):
            tokenizer = Tokenizer.from_str(json.dumps(make(bpe(["a"]), normalizer=normalizer)))
            characters |= set(tokenizer.normalizer.normalize_str(text))
        characters |= set(text)
    vocab = ["?", "<x>", "<y>", "<z>", "new york"]
    for character in sorted(characters):
        vocab += [character, character + "|"]
    return bpe(vocab, unk_token="?", end_of_word_suffix="|")


def unigram(more=(), **options):
    pieces = [["<unk>", 0.0], ["a", -2.0], ["b", -2.5], ["c", -3.0], ["ab", -3.5], ["abc", -7.4], ["bc", -5.0], ["aaa", -5.5]]
    return {"type": "Unigram", "unk_id": 0, "vocab": pieces + list(more), "byte_fallback": False} | options


def models():
    letters = ["<unk>", "a", "b", "c", "ab", "bc", "abc", "aa", "aaa", "▁"]
    pairs = [["b", "c"], ["a", "b"], ["ab", "c"], ["a", "bc"], ["a", "a"], ["aa", "a"]]
    strings = [" ".join(pair) for pair in pairs]
    fallback = letters + [f"<0x{byte:02X}>" for byte in range(256)]
    prefixed = ["<unk>", "a", "##b", "##c", "ab", "abc", "##bc"]
    suffixed = ["<unk>", "a", "b", "c|", "bc|", "abc|", "c"]
    return {
        "merge strings": bpe(letters, ["#version: 0.2"] + strings, unk_token="<unk>"),
        "merge pairs": bpe(letters, pairs, unk_token="<unk>"),
        "fused unknown": bpe(letters, pairs, unk_token="<unk>", fuse_unk=True),
        "no unknown": bpe(letters, pairs),
        "byte fallback": bpe(fallback, pairs, unk_token="<unk>", byte_fallback=True, fuse_unk=True),
        "some bytes": bpe(fallback[:-90], pairs, unk_token="<unk>", byte_fallback=True, fuse_unk=True),
        "ignore merges": bpe(letters, pairs[:2], unk_token="<unk>", ignore_merges=True),
        "prefix": bpe(prefixed, [["a", "##b"], ["##b", "##c"], ["ab", "##c"]], unk_token="<unk>", continuing_subword_prefix="##"),
        "suffix": bpe(suffixed, [["b", "c|"], ["a", "bc|"]], unk_token="<unk>", end_of_word_suffix="|"),
        "unigram": unigram(),
        "unigram bytes": unigram([[f"<0x{byte:02X}>", -20.0] for byte in range(256)], byte_fallback=True),
        "repeated merge": bpe(letters, pairs + [["b", "c"]], unk_token="<unk>"),
    }


MODEL_TEXTS = ["", "a", "abc", "aabc", "abcabc", "aaaa", "aaaaaaa", "bca", "xabcx", "xx", "axxb", "é", "aé中😀b", "\x00a\x7f",
               "<unk>", "cba" * 20, "a" * 300 + "bc"]


def cases(tokenizer, texts):
    result = []
    for text in texts:
        row = {"text": text}
        for parse in (True, False):
            tokenizer.encode_special_tokens = not parse
            row["parsed" if parse else "plain"] = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text, add_special_tokens=True).ids
        row |= {"special": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                "skipped": tokenizer.decode(ids, skip_special_tokens=True)}
        result.append(row)
    return result


def golden(name, model, texts, **parts):
    tokenizer = make(model, **parts)
    return {"name": name, "parts": parts, "cases": cases(Tokenizer.from_str(json.dumps(tokenizer)), texts)}


def write(name, value):
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (OUT / name).write_text(text.replace('{"name"', '\n{"name"') + "\n")


SENTENCES = ["the cat sat on the mat", "a dog ate the cat's hat", "that is all, isn't it"] * 20
SENTENCEPIECE = {
    "bpe": {"model_type": "bpe", "vocab_size": 50},
    "bpe_bytes": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 320, "remove_extra_whitespaces": False,
                  "user_defined_symbols": ["<x>"]},
    "unigram": {"model_type": "unigram", "vocab_size": 50},
    "unigram_bytes": {"model_type": "unigram", "byte_fallback": True, "vocab_size": 300, "add_dummy_prefix": False},
}
SENTENCE_TEXTS = ["", " ", "the cat", "  the   cat ", "isn't", "thethethe", "zebra", "é中 😀", "a<x>b <x>", "<s>a</s>",
                  "the\ncat\tsat", "▁a ▁", "qqq zz", "hat mat cat that " * 5]


def train(name, options):
    """Writes NAME.model and returns what it does to the texts."""
    options = {"normalization_rule_name": "identity", "minloglevel": 2, "hard_vocab_limit": False} | options
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "sentences.txt"
        source.write_text("\n".join(SENTENCES))
        sentencepiece.SentencePieceTrainer.train(input=str(source), model_prefix=f"{folder}/m", **options)
        (OUT / f"{name}.model").write_bytes(pathlib.Path(f"{folder}/m.model").read_bytes())
    processor = sentencepiece.SentencePieceProcessor(model_file=str(OUT / f"{name}.model"))
    return {"name": name, "cases": [{"text": text, "ids": processor.encode(text)} for text in SENTENCE_TEXTS]}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    model = boundaries()
    entries = []
    for part, table in {"normalizer": NORMALIZERS, "pre_tokenizer": PRE_TOKENIZERS, "decoder": DECODERS,
                        "post_processor": POST_PROCESSORS}.items():
        for name, value in table.items():
            parts = {part: value, "added_tokens": added(ADDED)}
            entries.append(golden(f"{part} {name}", model, TEXTS, **parts))
    lowered = {"normalizer": LOWER, "pre_tokenizer": metaspace(prepend_scheme="first"), "added_tokens": added(ADDED)}
    entries.append(golden("added tokens", model, TEXTS, **lowered))
    write("components.json", {"model": model, "tokenizers": entries})
    entries = []
    for name, value in models().items():
        entries.append(golden(name, value, MODEL_TEXTS, decoder={"type": "Fuse"}) | {"model": value})
    write("models.json", {"tokenizers": entries})
    write("sentencepiece.json", [train(name, options) for name, options in SENTENCEPIECE.items()])
    tokenizer = Tokenizer.from_file(str(ROOT / "models/wiki-dense/tokenizer.json"))
    write("wiki_dense.json", cases(tokenizer, PIECES))


if __name__ == "__main__":
    main()
