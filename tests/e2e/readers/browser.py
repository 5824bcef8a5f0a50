"""Opens a page in a headless Chromium as desktops and phones do, in light and dark, and says what is wrong with it.

    browser.py CHROMIUM PAGE PICTURES

PICTURES/<page>-<view>.png and .pdf are what it looks like. Prints a line for each complaint of the browser (its console
and its content security policy), each request beyond the page itself, text that is cut off or too pale, and a line `seen`
with what the page holds. Speaks the DevTools protocol over a pipe, which needs no library."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe""".split()

# name, width, height, phone, scheme
VIEWS = [
    ("desktop-light", 1280, 900, False, "light"),
    ("desktop-dark", 1280, 900, False, "dark"),
    ("phone-light", 375, 812, True, "light"),
    ("phone-dark", 375, 812, True, "dark"),
]

# Pictures end there, in pixels of the page.
HIGHEST = 4000

# Contrast by the formula of WCAG 2; the background of an element is the first above it that is not transparent.
INSPECT = r"""(() => {
  const wrong = [];
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const colour = text => (text.match(/[\d.]+/g) || []).map(Number);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("title")) continue;
    const style = getComputedStyle(element), svg = element.closest("svg");
    const pair = [luminance(colour(svg ? style.fill : style.color)), luminance(ground(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    const name = element.tagName + "." + element.getAttribute("class");
    if (ratio < 4.5 && !seen.has(name)) {
      seen.add(name);
      wrong.push(`contrast ${ratio.toFixed(2)} of ${name}`);
    }
  }
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) wrong.push(`${document.documentElement.scrollWidth} px wide in ${width}`);
  for (const e of document.querySelectorAll("main *")) {
    const box = e.getBoundingClientRect();
    if (box.right > width + 0.5 && !e.closest(".scroll, thead")) {
      wrong.push(`${e.tagName}.${e.getAttribute("class")} ends at ${box.right.toFixed()} px of ${width}`);
      break;
    }
  }
  for (const e of document.querySelectorAll("svg:not(:has(> title)), th:not([scope])")) wrong.push(`${e.tagName} without a name`);
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id is given twice");
  for (const a of document.querySelectorAll("a")) if (!document.querySelector(a.getAttribute("href"))) wrong.push("a link leads nowhere");
  return JSON.stringify({wrong, seen: {
    scripts: document.querySelectorAll("script, iframe, object, embed, [onerror], [onload], [onclick]").length,
    images: document.querySelectorAll("img").length,
    sections: document.querySelectorAll("section.export").length,
    lines: document.querySelectorAll(".overview tbody tr").length,
    bars: document.querySelectorAll(".plots .value").length,
    marks: document.querySelectorAll(".plots .mark").length,
    names: [...document.querySelectorAll("h2 bdi")].map(e => e.textContent),
    errors: [...document.querySelectorAll(".failures pre")].map(e => e.textContent),
    styled: getComputedStyle(document.body).margin === "0px",
    dark: luminance(colour(getComputedStyle(document.body).backgroundColor)) < 0.2,
    height: document.documentElement.scrollHeight,
    focusable: document.querySelectorAll("a[href], summary, [tabindex='0']").length,
  }});
})()"""


class Browser:
    """A browser that answers calls and keeps what it reports meanwhile."""

    def __init__(self, program, profile):
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()

        def places():
            # The protocol's descriptors are 3 and 4; both are moved away first, for they may be in use.
            high = [os.dup2(fd, 50 + i, inheritable=True) for i, fd in enumerate((to_browser, from_browser))]
            for place, fd in zip((3, 4), high):
                os.dup2(fd, place, inheritable=True)

        arguments = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            arguments, preexec_fn=places, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.events, self.number, self.session = b"", [], 0, None

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.into, 1 << 20)
            if not data:
                sys.exit("the browser ended")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.out, json.dumps(request).encode() + b"\0")
        while True:
            message = self.receive()
            if message.get("id") == self.number:
                if "error" in message:
                    sys.exit(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, event):
        while all(e.get("method") != event for e in self.events):
            self.events.append(self.receive())

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def complaints(self):
        for event in self.events:
            params = event.get("params", {})
            match event.get("method"):
                case "Log.entryAdded":
                    yield f"log: {params['entry']['text']}"
                case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                    yield f"console: {json.dumps(params)[:300]}"
                case "Network.requestWillBeSent":
                    if not params["request"]["url"].startswith(("file:", "data:,")):
                        yield f"request: {params['request']['url'][:300]}"
                    elif params["type"] != "Document" and not params["request"]["url"].startswith("data:,"):
                        yield f"request: {params['request']['url'][:300]}"

    def end(self):
        try:
            self.session = None
            self.call("Browser.close")
        finally:
            self.process.wait(timeout=30)


def look(browser, page, pictures):
    seen = {}
    browser.open(page.resolve().as_uri())
    for name, width, height, phone, scheme in VIEWS:
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        browser.call("Emulation.setDeviceMetricsOverride", **size)
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        # What is behind a heading is looked at too; pictures show some of it.
        browser.call("Runtime.evaluate", expression="document.querySelectorAll('details').forEach(d => d.open = true)")
        result = browser.call("Runtime.evaluate", expression=INSPECT, returnByValue=True)["result"]
        found = json.loads(result["value"])
        for wrong in found["wrong"]:
            print(f"{name}: {wrong}")
        seen = found["seen"]
        if seen["dark"] != (scheme == "dark"):
            print(f"{name}: the colours are those of the other scheme")
        browser.call("Runtime.evaluate", expression="document.querySelectorAll('details').forEach((d, i) => d.open = i < 2)")
        clip = {"x": 0, "y": 0, "width": width, "height": min(seen["height"], HIGHEST), "scale": 1}
        picture = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        (pictures / f"{page.stem}-{name}.png").write_bytes(base64.b64decode(picture["data"]))
    paper = browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=False)
    (pictures / f"{page.stem}.pdf").write_bytes(base64.b64decode(paper["data"]))
    for complaint in browser.complaints():
        print(complaint)
    print("seen", json.dumps(seen))


def main():
    program, page, pictures = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rivet-browser-", ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            look(browser, page, pictures)
        finally:
            browser.end()


main()
