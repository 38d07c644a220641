/** The look of the report's page: system fonts, light and dark by what the reader's machine prefers, and for print. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --line: #dfe3e8; --text: #1b2430; --soft: #5c6873;
  --accent: #0b6e6e; --bad: #b3261e;
  --none: #e4e8ec; --ok: #8fc9b8; --low: #e8d27a; --mid: #e59a4b; --high: #cf4b3a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11161c; --card: #1a2129; --line: #303a45; --text: #e6ebf0; --soft: #9aa7b4;
    --accent: #6fd0c8; --bad: #ff8a7a;
    --none: #28313b; --ok: #2f7d6b; --low: #a08a2c; --mid: #c0712a; --high: #e0523f;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 48px; }
h1 { margin: 0; font-size: 26px; line-height: 1.2; }
h2 { margin: 36px 0 10px; font-size: 17px; }
p { margin: 4px 0; color: var(--soft); max-width: 78ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px; margin-top: 22px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
.tile dt { color: var(--soft); font-size: 13px; }
.tile dd { margin: 2px 0 0; font-size: 25px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile dd + dd { font-size: 13px; font-weight: 400; color: var(--soft); }
.tile.own dd:first-of-type { color: var(--accent); }
.tile.without dd:first-of-type { color: var(--bad); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: left; white-space: nowrap; }
th { font-size: 12px; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line); }
tr + tr td { border-top: 1px solid var(--line); }
th.number, td.number { text-align: right; }
td.wide { white-space: normal; min-width: 220px; }
svg { display: block; }
.none { fill: var(--none); background: var(--none); } .ok { fill: var(--ok); background: var(--ok); }
.low { fill: var(--low); background: var(--low); } .mid { fill: var(--mid); background: var(--mid); }
.high { fill: var(--high); background: var(--high); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 10px 0 0; padding: 0; list-style: none; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: 12px; height: 12px; margin-right: 6px; border-radius: 2px; vertical-align: -1px; }
@media print { body { background: none; } .scroll, .tile { break-inside: avoid; } }
`
