"""Checks of the documents: links that resolve, Python that compiles, nothing of one machine, decisions that are numbered."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
MACHINE = re.compile(r"(?:^|[^a-z])/(?:w[o]rk|r[o]ot|h[o]me/[a-z]+)/")


def tracked(*patterns: str) -> list[Path]:
    """The files that git tracks or would track."""
    git = ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, spelled as code hosts do."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def problems() -> list[str]:
    """What is wrong, a sentence each."""
    found: list[str] = []
    for page in tracked("*.md"):
        text, name = page.read_text(), page.relative_to(ROOT)
        for target, anchor in LINK.findall(text):
            to = (page.parent / target).resolve() if target else page
            if not to.exists():
                found.append(f"{name}: the link to {target} leads nowhere")
            elif anchor and to.suffix == ".md" and anchor not in anchors(to):
                found.append(f"{name}: {target or 'this page'} has no heading for {anchor}")
        for code in PYTHON.findall(text):
            try:
                compile(code, str(name), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            except SyntaxError as error:
                found.append(f"{name}: a Python example does not compile: {error}")
    for path in tracked():
        if path.suffix in {".md", ".py", ".toml", ".yml", ".json", ".jsonl", ""} and path.stat().st_size < 1_000_000:
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if MACHINE.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: a path of one machine")
    for decision in tracked("docs/decisions/*.md"):
        if not re.match(r"\d{4}-[a-z0-9-]+\.md\Z", decision.name):
            found.append(f"docs/decisions/{decision.name}: a decision is called 0001-what-it-says.md")
        elif not all(f"## {part}" in decision.read_text() for part in ("Context", "Decision", "Consequences")):
            found.append(f"docs/decisions/{decision.name}: a decision has Context, Decision and Consequences")
    if "## [Unreleased]" not in (ROOT / "CHANGELOG.md").read_text():
        found.append("CHANGELOG.md has no [Unreleased] section")
    return found


def main() -> int:
    """Print what is wrong; 1 when anything is."""
    found = problems()
    print("\n".join(found) or "the documents are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
