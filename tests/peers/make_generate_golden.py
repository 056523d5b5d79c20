"""Writes tests/data/generate.json: what transformers writes, the most likely
token each time, from a cache and in float32.

Needs tests/peers/live-requirements.txt and no GPU:
    python tests/peers/make_generate_golden.py tests/data/generate.json

"models": for every model of tests/data/forward, and for models/wiki-dense:
    prompt  token ids
    tokens  the 64 token ids after them; fewer where the two most likely tokens
            come nearer to each other than GAP, as float32 does not tell them
            apart
"wiki-dense" also has the "prompt_text" and the "text" that was written.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from make_forward_golden import MODELS, load
from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
FORWARD = ROOT / "tests/data/forward"
WIKI_DENSE = ROOT / "models/wiki-dense"
PROMPT = "The town lies on the river"
NEW_TOKENS = 64
GAP = 1e-3


def greedy(directory, prompt):
    model = load(directory)
    # What the model was published with must not change what is most likely.
    model.generation_config = transformers.GenerationConfig()
    made = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        output_logits=True,
        return_dict_in_generate=True,
    )
    tokens = made.sequences[0, len(prompt) :].tolist()
    assert len(tokens) == NEW_TOKENS
    for i, logits in enumerate(made.logits):
        first, second = torch.topk(logits[0], 2).values.tolist()
        if first - second < GAP:
            return tokens[:i]
    return tokens


def golden():
    models = {}
    for name in MODELS:
        kept = json.loads((FORWARD / name / "golden.json").read_text())
        prompt = kept["tokens"][:12]
        tokens = greedy(FORWARD / name, prompt)
        models[name] = {"prompt": prompt, "tokens": tokens}
    tokenizer = AutoTokenizer.from_pretrained(WIKI_DENSE)
    prompt = tokenizer.encode(PROMPT)
    tokens = greedy(WIKI_DENSE, prompt)
    models["wiki-dense"] = {
        "prompt_text": PROMPT,
        "prompt": prompt,
        "tokens": tokens,
        "text": tokenizer.decode(
            tokens, clean_up_tokenization_spaces=False
        ),
    }
    return {"transformers": transformers.__version__, "models": models}


def main():
    torch.set_num_threads(1)
    Path(sys.argv[1]).write_text(json.dumps(golden()) + "\n")


if __name__ == "__main__":
    main()
