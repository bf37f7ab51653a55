// Colours and what all charts share, by the scheme of the reader. Series have the hues of Okabe and Ito (2008), which colour-blind people tell apart;
// shades are of one hue, from near the ground to far from it: as readable in grey.
Report.dark = window.matchMedia('(prefers-color-scheme: dark)');

Report.theme = () => {
  const dark = Report.dark.matches;
  return {
    text: dark ? '#e8ebf0' : '#12161c',
    soft: dark ? '#a3adba' : '#525c69',
    grid: dark ? '#2b323d' : '#e6e9ee',
    card: dark ? '#171b22' : '#ffffff',
    mark: dark ? '#ff8a47' : '#c84c00',
    series: dark
      ? ['#4d9fec', '#ff8a47', '#2cc498', '#f59fcd', '#f2c84b', '#96d0f7', '#bb8cea', '#c4cbd5']
      : ['#0b5cad', '#c84c00', '#00795a', '#c0529a', '#a97b00', '#2e8fd0', '#7a3ea8', '#525c69'],
    shades: dark ? ['#27303c', '#2b5578', '#3d83b4', '#72b7dd', '#f4fbff'] : ['#dde4ec', '#a9c6de', '#5f9fca', '#1f6aa5', '#062f5f'],
  };
};

Report.axis = (theme, more) => ({
  nameTextStyle: { color: theme.soft, fontSize: 12.5 },
  axisLabel: { color: theme.soft, fontSize: 12, hideOverlap: true },
  axisLine: { lineStyle: { color: theme.soft } },
  splitLine: { lineStyle: { color: theme.grid } },
  nameLocation: 'middle',
  ...more,
});

// A value axis that shows where the values are, not zero.
Report.valueAxis = (theme, more) => Report.axis(theme, { type: 'value', scale: true, ...more });

Report.base = (theme, described) => ({
  animation: false,
  backgroundColor: 'transparent',
  color: theme.series,
  textStyle: { color: theme.text, fontFamily: 'system-ui, Segoe UI, Helvetica, Arial, sans-serif' },
  aria: { enabled: true, label: { description: described } },
  grid: { left: 64, right: 24, top: 40, bottom: 52 },
  tooltip: { confine: true, backgroundColor: theme.card, borderColor: theme.grid, textStyle: { color: theme.text, fontSize: 13 } },
  legend: { type: 'scroll', top: 0, textStyle: { color: theme.soft }, pageTextStyle: { color: theme.soft }, pageIconColor: theme.soft, pageIconInactiveColor: theme.grid },
});
