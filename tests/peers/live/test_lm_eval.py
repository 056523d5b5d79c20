"""ARC and HellaSwag against lm-evaluation-harness: one small model, the same
examples, identical choices. Offline, with the data of RAM_SHARED."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

ROOT = Path(__file__).resolve().parents[3]
RAM = os.environ.get("RAM", str(ROOT / "build/release/ram"))
SHARED = Path(os.environ.get("RAM_SHARED", ROOT.parent / "shared"))
MODEL = ROOT / "models/wiki-dense"
ITEMS = 40
SHOTS = 3  # what fits into the model's 512 tokens

ARC = {
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer_index}}",
    "doc_to_choice": "choices",
}
HELLASWAG = {
    "doc_to_text": "{{query}}",
    "doc_to_target": "{{gold}}",
    "doc_to_choice": "choices",
}


def first_lines(source, count, target):
    with open(source, encoding="utf-8") as lines:
        chosen = [line for _, line in zip(range(count), lines)]
    target.write_text("".join(chosen), encoding="utf-8")
    return target


def cleaned_hellaswag(source, target):
    """The pool, as the harness's own function cleans it."""
    from lm_eval.tasks.hellaswag.utils import preprocess

    with open(source, encoding="utf-8") as lines, open(
        target, "w", encoding="utf-8"
    ) as out:
        for line in lines:
            doc = json.loads(line)
            context = doc["ctx_a"] + " " + doc["ctx_b"].capitalize()
            query = preprocess(doc["activity_label"] + ": " + context)
            choices = [preprocess(ending) for ending in doc["endings"]]
            item = {"query": query, "choices": choices, "gold": doc["label"]}
            out.write(json.dumps(item) + "\n")
    return target


def harness_choices(task, data, pool, per_item):
    import lm_eval

    config = {
        "task": "local",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"train": str(pool), "test": str(data)}
        },
        "output_type": "multiple_choice",
        "training_split": "train",
        "test_split": "test",
        "fewshot_split": "train",
        "num_fewshot": SHOTS,
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        **task,
    }
    if not per_item:
        config["fewshot_config"] = {"sampler": "first_n"}
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(MODEL), "dtype": "float32"},
        tasks=[config],
        device="cpu",
        batch_size=8,
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = sorted(results["samples"]["local"], key=lambda s: s["doc_id"])
    sums, norms = [], []
    for sample in samples:
        scores = np.array([resp[0] for resp in sample["filtered_resps"]])
        lengths = np.array([len(c) for c in sample["doc"]["choices"]], float)
        sums.append(int(np.argmax(scores)))
        norms.append(int(np.argmax(scores / lengths)))
    return sums, norms


def ram_choices(command, data, pool, per_item, work):
    report = work / "report.json"
    report.unlink(missing_ok=True)
    subprocess.run(
        [RAM, "evaluate", command, MODEL, "--data", data, "--shots-from", pool,
         "--shot-count", str(SHOTS), "--dtype", "f32", "--json", report,
         "--shots", "per-item" if per_item else "same", "-q"],
        check=True,
    )  # fmt: skip
    model = json.loads(report.read_text())["models"][0]
    return model["items"], model["items_norm"]


@pytest.mark.parametrize("per_item", [False, True])
def test_arc_chooses_what_the_harness_chooses(per_item, tmp_path):
    source = SHARED / "data/arc/ARC-Challenge-test.jsonl"
    if not source.exists():
        pytest.skip(f"{source} is not there")
    data = first_lines(source, ITEMS, tmp_path / "test.jsonl")
    pool = SHARED / "data/arc/ARC-Challenge-train.jsonl"
    assert ram_choices("arc", data, pool, per_item, tmp_path) == (
        harness_choices(ARC, data, pool, per_item)
    )


def test_hellaswag_chooses_what_the_harness_chooses(tmp_path):
    source = SHARED / "data/hellaswag/fewshot14.jsonl"
    if not source.exists():
        pytest.skip(f"{source} is not there")
    cleaned = cleaned_hellaswag(source, tmp_path / "cleaned.jsonl")
    assert ram_choices("hellaswag", source, source, False, tmp_path) == (
        harness_choices(HELLASWAG, cleaned, cleaned, False)
    )
