"""The frame of a report page: one file with its style inside, that asks no network for anything."""

from string import Template

from nvrc_core.evaluation.report.markup import Markup, element, variable
from nvrc_core.evaluation.report.style import DARK, MUTED, PAPER

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
$title
<style>$style</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
""")

_STYLE = Template("""
:root { $light --page: #f3f5f7; --card: $paper; --ink: #1f2933; --muted: $muted; --line: #dde2e7; --strong: #c8480a;
  --stripe: #f7f9fa; }
@media screen and (prefers-color-scheme: dark) {
  :root { $dark --page: #11161b; --card: $dark_paper; --ink: #e8ecf0; --muted: $dark_muted; --line: #2e3740;
    --strong: #ff8b4d; --stripe: #1f272f; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 2rem; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 4px; }
h2 { font-size: 1.3rem; line-height: 1.25; letter-spacing: -0.01em; margin: 56px 0 12px; }
h3 { font-size: 1rem; line-height: 1.3; margin: 32px 0 2px; }
p { margin: 0 0 12px; max-width: 72ch; }
.quiet, caption, footer, dd small { color: var(--muted); }
.quiet { font-size: 0.9rem; }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr));
  margin: 28px 0 0; }
.card, figure { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.card { padding: 20px 22px; }
.card h3 { margin: 0; color: var(--strong); }
.card p { margin: 0; }
.big { font-size: 2.6rem; line-height: 1.15; font-weight: 650; letter-spacing: -0.03em; }
.big.none { font-size: 1.5rem; line-height: 1.9; font-weight: 600; letter-spacing: -0.01em; }
.card ul { list-style: none; margin: 12px 0 0; padding: 10px 0 0; border-top: 1px solid var(--line);
  font-size: 0.9rem; color: var(--muted); }
.card li { margin: 3px 0; }
.charts { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr));
  align-items: start; margin: 14px 0 18px; }
figure { margin: 0; padding: 8px; break-inside: avoid; }
figure svg { display: block; width: 100%; height: auto; max-width: 560px; margin: 0 auto; }
figure svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans",
  Arial, sans-serif !important; }
svg * { stroke-linejoin: round; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  margin: 12px 0 18px; -webkit-overflow-scrolling: touch; }
.scroll:focus-visible { outline: 2px solid var(--strong); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: 0.86rem; line-height: 1.4; overflow-wrap: normal; }
caption { text-align: left; padding: 12px 16px 8px; font-size: 0.86rem; }
caption span { display: inline-block; position: sticky; left: 16px; max-width: calc(100vw - 64px); }
th, td { padding: 5px 12px; vertical-align: top; white-space: nowrap; }
th:first-child { padding-left: 16px; }
td:last-child, th:last-child { padding-right: 16px; }
thead th { white-space: pre; border-bottom: 1px solid var(--line); color: var(--muted); font-weight: 500;
  vertical-align: bottom; }
tbody th { font-weight: 600; }
tbody tr:last-child > * { padding-bottom: 12px; }
tr.first > * { border-top: 1px solid var(--line); }
tbody tr:first-child > * { border-top: 0; }
tbody tr:hover > * { background: var(--stripe); }
.again { color: var(--muted); font-weight: 400; }
.n { text-align: right; }
.t { text-align: left; }
.wrap { display: block; white-space: normal; min-width: 24ch; max-width: 64ch; }
dl { margin: 0; font-size: 0.92rem; max-width: 80ch; }
dt { font-weight: 600; margin-top: 12px; }
dd { margin: 0; color: var(--muted); }
details { margin: 0 0 12px; font-size: 0.9rem; }
summary { cursor: pointer; }
code { font: 0.85em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
@media (max-width: 700px) {
  main { padding: 24px 14px 40px; }
  h1 { font-size: 1.6rem; }
  h2 { margin-top: 40px; }
  .cards, .charts { gap: 12px; }
  figure { padding: 4px; }
  th, td { padding: 5px 9px; }
  tbody th.t { position: sticky; left: 0; background: var(--card); white-space: normal; overflow-wrap: anywhere;
    min-width: 148px; max-width: 42vw; }
}
@page { size: landscape; margin: 12mm; }
@media print {
  html { font-size: 11px; }
  body { background: none; font-size: 11px; }
  main { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; }
  tr, .card { break-inside: avoid; }
  .scroll { overflow: visible; border: 0; }
  table { font-size: 8.5px; }
  th, td { padding: 2px 5px; }
  td.t { white-space: normal; }
  .charts { grid-template-columns: repeat(3, 1fr); }
  details::details-content { content-visibility: visible; }
}
""")


def page(title: str, body: Markup) -> str:
    """A whole page."""
    style = _STYLE.substitute(
        light=" ".join(f"{variable(light)}: {light};" for light in DARK),
        dark=" ".join(f"{variable(light)}: {dark};" for light, dark in DARK.items()),
        paper=PAPER,
        muted=MUTED,
        dark_paper=DARK[PAPER],
        dark_muted=DARK[MUTED],
    )
    return _PAGE.substitute(title=element("title", title), style=style, body=body)
