"""The style of report.html: light and dark, on screen and on paper; and the little script of its two switches.

The colours are those of Okabe and Ito, which people with any colour vision can tell apart; each also has a word or a
shape beside it.
"""

from __future__ import annotations

CSS = """
:root{--ink:#1b1f24;--paper:#fff;--soft:#f3f5f7;--line:#d5dae0;--dim:#5b6570;--ok:#0072b2;--bad:#d55e00;--doubt:#8a6d00;
--b1:#56b4e9;--b2:#e69f00;--b3:#009e73;--b0:#cc79a7;color-scheme:light}
:root[data-theme=dark]{--ink:#e6e9ec;--paper:#15191e;--soft:#1f252c;--line:#38414b;--dim:#9aa5b1;--ok:#56b4e9;
--bad:#ff8c42;--doubt:#f0e442;color-scheme:dark}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){--ink:#e6e9ec;--paper:#15191e;--soft:#1f252c;
--line:#38414b;--dim:#9aa5b1;--ok:#56b4e9;--bad:#ff8c42;--doubt:#f0e442;color-scheme:dark}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1080px;padding:1.5rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,"Apple SD Gothic Neo","Noto Sans KR",sans-serif}
h1{font-size:1.9rem;margin:.2rem 0}h2{margin:2.6rem 0 .4rem;border-bottom:2px solid var(--line);padding-bottom:.3rem}
h3{margin:1.8rem 0 .2rem}h4{margin:1.2rem 0 .2rem;font-weight:600}p{margin:.35rem 0}
.dim{color:var(--dim)}nav{float:right}button{font:inherit;color:inherit;background:var(--soft);padding:.25rem .7rem;
border:1px solid var(--line);border-radius:6px;cursor:pointer}
table{border-collapse:collapse;width:100%;margin:.6rem 0;font-size:.93rem}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.wide{overflow-x:auto}
.held,.broken,.inconclusive{white-space:nowrap}.held{color:var(--ok);font-weight:700}.broken{color:var(--bad);font-weight:700}
.inconclusive{color:var(--doubt);font-weight:700}.differs{outline:2px solid var(--bad);outline-offset:2px}
section.setting{background:var(--soft);border-radius:10px;padding:.4rem 1rem .8rem;margin:.9rem 0}
pre{background:var(--soft);padding:.7rem 1rem;overflow-x:auto;border-radius:8px;font-size:.86rem}
svg{width:100%;height:auto;display:block;margin:.6rem 0}svg text{fill:var(--ink);font:12px system-ui,sans-serif}
svg .small{font-size:11px}
.charts svg{max-width:820px}svg .heading{font-weight:600;font-size:13px}svg .inside{font-size:11px;fill:#111}
svg .axis{stroke:var(--dim)}svg .grid{stroke:var(--line);stroke-dasharray:2 3}
svg .fault{fill:#d55e00}svg .ok{fill:#0072b2}svg .unknown{fill:#e69f00}svg .failed{fill:#d55e00}svg .done{fill:#009e73}
svg .owned{fill:#cc79a7}svg .offline{fill:none;stroke:#d55e00;stroke-width:2}svg .broker1{fill:#56b4e9}
svg .broker2{fill:#e69f00}svg .broker3{fill:#44bb99}svg .broker0{fill:#cc79a7}
svg .point0{fill:#0072b2}svg .point1{fill:#d55e00}svg .point2{fill:#009e73}svg .point3{fill:#cc79a7}
svg .line0{stroke:#0072b2;stroke-width:2}svg .line1{stroke:#d55e00;stroke-width:2;stroke-dasharray:6 3}
svg .line2{stroke:#009e73;stroke-width:2;stroke-dasharray:2 2}svg .line3{stroke:#cc79a7;stroke-width:2}
:root[data-lang=ko] [lang=en]{display:none}:root[data-lang=en] [lang=ko]{display:none}
@media (max-width:600px){body{padding:.8rem}nav{float:none}}
@media print{nav{display:none}section.setting{break-inside:avoid;background:none;border:1px solid #ccc}
body{max-width:none;font-size:11pt}}
"""

SCRIPT = """
const root=document.documentElement;
document.getElementById("lang").onclick=()=>{root.dataset.lang=root.dataset.lang==="ko"?"en":"ko"};
document.getElementById("theme").onclick=()=>{
 const dark=root.dataset.theme?root.dataset.theme==="dark":matchMedia("(prefers-color-scheme:dark)").matches;
 root.dataset.theme=dark?"light":"dark"};
"""
