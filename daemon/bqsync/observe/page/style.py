"""How the status page looks and keeps itself fresh. Nothing is fetched from anywhere but the daemon itself."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root { color-scheme: light dark;
  --ground: #f7f6f3; --paper: #ffffff; --ink: #1c1e21; --soft: #5a6068; --rule: #e3e0da;
  --good: #1b6e44; --warn: #8a5300; --bad: #b3261e; --blue: #2a5db0; --tint: #dbe6f7; --alarm: #fbe9e7; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #131518; --paper: #1b1e22; --ink: #e7e6e2; --soft: #a3a9b2; --rule: #2d3137;
  --good: #6fcf9a; --warn: #e6b455; --bad: #ff8f85; --blue: #8db4f5; --tint: #25344d; --alarm: #3a2321; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, footer { max-width: 68rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3, p, dl, dd, figure, table { margin: 0; }
h1 { font-size: 1.5rem; line-height: 1.25; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 1rem; font-weight: 650; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; font-weight: 650; overflow-wrap: anywhere; }
bdi, .where { overflow-wrap: anywhere; }
.soft, .where, dt, figcaption, th, footer { color: var(--soft); }
.where, dt, figcaption, footer, summary, details table { font-size: .8125rem; }
.state { font-weight: 600; white-space: nowrap; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.top { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; justify-content: space-between; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.25rem, 1fr)); gap: .5rem .75rem; }
.sum { grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); margin: 1rem 0; padding: .75rem 0;
  border-block: 1px solid var(--rule); }
.sum dd { font-size: 1.25rem; }
dd, td { font-variant-numeric: tabular-nums; }
.table, .alarm { background: var(--paper); border: 1px solid var(--rule); border-radius: .5rem; padding: .75rem 1rem;
  margin: 0 0 .5rem; }
.table { display: grid; gap: .5rem 1.5rem; }
.alarm { background: var(--alarm); border-inline-start: .25rem solid var(--bad); }
.alarm p { overflow-wrap: anywhere; } .alarm .fix { font-weight: 600; }
.table .alarm { margin: 0; }
svg { display: block; width: 100%; height: 3.25rem; overflow: hidden; }
.area { fill: var(--tint); } .line { fill: none; stroke: var(--blue); stroke-width: 1.5;
  vector-effect: non-scaling-stroke; }
.mark { fill: var(--blue); } .mark.bad { fill: var(--bad); }
figcaption { display: flex; justify-content: space-between; gap: 1rem; }
summary { cursor: pointer; color: var(--blue); width: fit-content; }
a { color: var(--blue); }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: end; padding: .25rem .5rem; border-block-end: 1px solid var(--rule); font-weight: 400; }
th:first-child, td:first-child { text-align: start; padding-inline-start: 0; overflow-wrap: anywhere; }
th:last-child, td:last-child { padding-inline-end: 0; }
#lost { position: sticky; top: 0; padding: .5rem 1rem; text-align: center; background: var(--bad); color: var(--paper);
  font-weight: 600; }
@media (max-width: 47.99rem) { .wide { display: none; } }
@media (min-width: 48rem) { .table { grid-template-columns: minmax(0, 5fr) minmax(0, 4fr); }
  .table > .alarm, .table > details { grid-column: 1 / -1; }
  .table > figure { grid-column: 2; grid-row: 1 / span 2; align-self: center; } }
"""

SCRIPT = """
const lost = document.getElementById("lost");
let isAsking = false;
async function refresh() {
  if (document.hidden || isAsking) return;
  isAsking = true;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const one of document.querySelectorAll("details[open]")) next.getElementById(one.id)?.setAttribute("open", "");
    const focused = document.activeElement?.closest("details")?.id;
    document.querySelector("main").replaceWith(document.adoptNode(next.querySelector("main")));
    if (focused) document.getElementById(focused)?.querySelector("summary").focus();
    document.title = next.title;
    lost.hidden = true;
  } catch { lost.hidden = false; } finally { isAsking = false; }
}
setInterval(refresh, 5000);
document.addEventListener("visibilitychange", refresh);
"""


def _source(text: str) -> str:
    """The source expression by which a policy allows this very text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_source(STYLE)}; script-src {_source(SCRIPT)}; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy"""
