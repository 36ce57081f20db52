#pragma once

#include <string_view>

namespace millrace {

/// The style sheet of evaluation_page, in the colours of the dashboard.
inline constexpr std::string_view kEvaluationPageStyle = R"(
:root { color-scheme: light; --paper:#f3f4ee; --card:#fcfcf9; --well:#edf0ea; --ink:#12262b; --ink-2:#45575b; --line:#dcdfd6;
 --line-2:#c3cac2; --water:#0b6475; --oak:#8f5519; --moss:#2f6b3f; --rust:#a53a26; --plum:#6b4a86; --quiet:#5b6b6d }
@media (prefers-color-scheme: dark) { :root { color-scheme: dark; --paper:#0b171b; --card:#112126; --well:#172a30; --ink:#e7efec;
 --ink-2:#b0c1c1; --line:#1f353b; --line-2:#335058; --water:#5cc3cf; --oak:#e0a566; --moss:#86c893; --rust:#f0937c;
 --plum:#c3a5dd; --quiet:#92a7a8 } }
* { box-sizing: border-box }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100% }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
 font: 1rem/1.5 ui-sans-serif, system-ui, sans-serif; overflow-wrap: anywhere }
h1 { margin: 0; font: 600 1.9rem/1.2 ui-serif, Georgia, serif }
h2 { margin: 0 0 .5rem; font: 600 1.3rem/1.3 ui-serif, Georgia, serif }
h3 { margin: 1.75rem 0 .25rem; font-size: 1rem }
p { margin: .35rem 0 .75rem; max-width: 46rem }
header p, section > p, footer { color: var(--ink-2) }
nav { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin: .5rem 0 1rem }
nav a { display: inline-flex; align-items: center; min-height: 2.5rem; color: var(--water) }
section { margin: 0 0 1.25rem; padding: 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 14px }
section > p.verdict { margin: 0 0 .6rem; padding: .1rem 0 .1rem .9rem; border-left: 4px solid var(--oak); color: var(--ink) }
section > p.advice { border-color: var(--water) }
section > p.good { border-color: var(--moss) }
section > p.bad { border-color: var(--rust) }
svg { display: block; width: 100%; overflow: visible }
svg text { fill: var(--ink-2); font-size: 12px; font-variant-numeric: tabular-nums }
.grid { stroke: var(--line) } .zero { stroke: var(--ink-2) }
.whisker { stroke-width: 3; stroke-linecap: round; opacity: .45 } .stroke { stroke-width: 2 }
.s0 { fill: var(--water); stroke: var(--water); background: var(--water) }
.s1 { fill: var(--oak); stroke: var(--oak); background: var(--oak) }
.s2 { fill: var(--moss); stroke: var(--moss); background: var(--moss) }
.s3 { fill: var(--rust); stroke: var(--rust); background: var(--rust) }
.s4 { fill: var(--plum); stroke: var(--plum); background: var(--plum) }
.s5, .quiet { fill: var(--quiet); stroke: var(--quiet); background: var(--quiet) }
circle.hollow { fill: var(--card); stroke-width: 2 }
.dotrow { padding: .35rem 0 }
.dotrow p { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0 0 .1rem; max-width: none; font-size: .875rem }
.dotrow p > b { min-width: 9rem }
.figure { color: var(--ink-2); font-variant-numeric: tabular-nums } .figure b { color: var(--ink) }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.25rem; font-size: .875rem }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; border-radius: 50% }
.axis { margin: 0; max-width: none; font-size: .8rem; color: var(--ink-2) } .below { text-align: right }
table { width: 100%; margin: .5rem 0; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .45rem .6rem .45rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
thead th { color: var(--ink-2); font-weight: 500; vertical-align: bottom }
td small { display: block; color: var(--ink-2); font-size: .75rem; white-space: nowrap }
.bar { display: inline-block; width: 4rem; height: .6rem; border-radius: 3px;
 background: linear-gradient(var(--water), var(--water)) 0 / var(--share) 100% no-repeat var(--line) }
summary { min-height: 2.5rem; padding-top: .5rem; cursor: pointer; color: var(--water) }
@media (max-width: 620px) {
 body { padding: 1rem .75rem 2rem } section { padding: 1rem }
 thead { display: none } table, tbody, tr, th, td { display: block }
 tr { padding: .5rem 0; border-bottom: 1px solid var(--line) }
 th, td { padding: .1rem 0; border: 0 }
 td { display: flex; flex-wrap: wrap; justify-content: flex-end; align-items: baseline; gap: 0 .6rem }
 td::before { content: attr(data-of); margin-right: auto; color: var(--ink-2) }
 .bar { align-self: center } .share { min-width: 3.6rem; text-align: right }
}
@media print { body { background: none } section { break-inside: avoid } nav { display: none } }
)";

}  // namespace millrace
