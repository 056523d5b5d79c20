"""Screenshots of the demo page for docs/images.

usage: python tests/browser/make_images.py OUT_DIR
"""

import sys
import tempfile
from pathlib import Path

import conftest
from PIL import Image
from playwright.sync_api import sync_playwright


def shoot(browser, path, out, scheme, anchor):
    page = browser.new_page(
        viewport={"width": 1120, "height": 760},
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page.set_default_timeout(300_000)  # of a loaded machine
    page.goto(f"{path.as_uri()}#{anchor}")
    page.wait_for_timeout(900)
    page.screenshot(path=out)
    page.close()
    # 128 colours are enough for a page of this kind.
    Image.open(out).convert("RGB").quantize(128).save(out, optimize=True)


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        demo = conftest.make_demo(Path(name))
        browser = playwright.chromium.launch(
            executable_path=conftest.find_browser(), args=conftest.FLAGS
        )
        for file, scheme, anchor in (
            ("xray-words-light.png", "light", ""),
            ("xray-depth-light.png", "light", "sensitivity"),
            ("xray-depth-dark.png", "dark", "sensitivity"),
            ("xray-plan-light.png", "light", "plan"),
            ("xray-evaluation-dark.png", "dark", "evaluation"),
        ):
            shoot(browser, demo, out / file, scheme, anchor)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
