"""Pages that `ram xray` writes, opened in headless Chromium.

RAM is the path of the built `ram`, CHROMIUM that of the browser (else the
first of the usual names); without a browser all tests are skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
RAM = os.environ.get("RAM", str(ROOT / "build/release/ram"))
MAKE_MANIFEST = Path(RAM).parent / "bench/make_manifest"
WIKI = ROOT / "models/wiki-dense"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# 20,230 matrices of a mixture.
BIG_CONFIG = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "num_hidden_layers": 52,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "vocab_size": 151936,
    "tie_word_embeddings": False,
}


def run(*arguments):
    done = subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def find_browser():
    wanted = os.environ.get("CHROMIUM")
    names = ["chromium", "chromium-browser", "google-chrome"]
    return wanted or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser():
    program = find_browser()
    if not program:
        pytest.skip("no Chromium (apt-get install chromium, or CHROMIUM=PATH)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=FLAGS
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


def make_demo(folder):
    """The bundled model with a plan and an evaluation."""
    small, report = folder / "small", folder / "report.json"
    run(RAM, "compress", WIKI, "-o", small)
    run(
        *(RAM, "evaluate", "perplexity", WIKI, small),
        *("--data", WIKI / "sample.txt", "--window", "256"),
        *("--windows", "8", "--json", report),
    )
    page = folder / "demo.html"
    run(
        *(RAM, "xray", WIKI, "--plan", small),
        *("--evaluation", report, "-o", page),
    )
    return page


@pytest.fixture(scope="session")
def demo_page(folder):
    return make_demo(folder)


@pytest.fixture(scope="session")
def several_page(folder, demo_page):
    page = folder / "several.html"
    run(RAM, "xray", WIKI, folder / "small", "-o", page)
    return page


@pytest.fixture(scope="session")
def big_page(folder):
    config, manifest = folder / "config.json", folder / "big.json"
    config.write_text(json.dumps(BIG_CONFIG))
    run(MAKE_MANIFEST, config, manifest)
    page = folder / "big.html"
    run(RAM, "xray", manifest, "-o", page)
    return page


class Watched:
    """A page, with what it logged and whatever it asked for."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(
            viewport={"width": 1200, "height": 900},
            reduced_motion="reduce",  # else jumps take a while
            **options,
        )
        self.context.set_default_timeout(180_000)  # of a loaded machine
        self.page = self.context.new_page()
        self.problems, self.requests = [], []
        self.page.on(
            "console",
            lambda message: message.type in ("error", "warning")
            and self.problems.append(message.text),
        )
        self.page.on(
            "pageerror", lambda error: self.problems.append(str(error))
        )
        self.page.on("dialog", lambda dialog: self.problems.append("dialog"))
        self.page.on(
            "request", lambda request: self.requests.append(request.url)
        )
        self.url = path.as_uri()
        self.page.goto(self.url)

    def draw_all(self):
        for figure in self.page.query_selector_all("figure"):
            figure.scroll_into_view_if_needed()
            self.page.wait_for_function(
                "figure => figure.dataset.drawn", arg=figure
            )
        self.page.wait_for_timeout(100)


@pytest.fixture
def watch(browser):
    opened = []

    def open_page(path, **options):
        opened.append(Watched(browser, path, **options))
        return opened[-1]

    yield open_page
    for each in opened:
        each.context.close()
