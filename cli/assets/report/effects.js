// Which operations and inputs win: an interval for each, so that chance is not taken for a finding.
Report.effect = (data, name) => {
  const group = () => data.effects.find((group) => group.name === name);
  const sorted = () => [...group().rows].sort((one, other) => (data.direction === 'Maximize' ? 1 : -1) * (one.estimate - other.estimate));
  const sure = (row) => row.low > 0 || row.high < 0;
  const good = (row) => (data.direction === 'Maximize' ? row.low > 0 : row.high < 0);
  const option = (theme) => {
    const rows = sorted();
    const names = rows.map((row) => row.name);
    const colour = (row) => (!sure(row) ? theme.soft : good(row) ? theme.series[0] : theme.mark);
    return {
      ...Report.base(theme, `${name}: change of ${data.metric} with one more. ${rows.toReversed().map((row) => `${row.name} ${Report.value(row.estimate)}, from ${Report.value(row.low)} to ${Report.value(row.high)}`).join('; ')}.`),
      legend: undefined,
      grid: { left: 12, right: 20, top: 8, bottom: 44, containLabel: true },
      tooltip: { ...Report.base(theme).tooltip, formatter: ({ dataIndex }) => { const row = rows[dataIndex]; return `${Report.escape(row.name)}: ${Report.value(row.estimate)}<br>${Math.round(100 * group().confidence)} %: ${Report.value(row.low)} to ${Report.value(row.high)}<br>${Report.count(row.edges)} edges in ${Report.count(row.trials)} trials`; } },
      xAxis: Report.axis(theme, { type: 'value', name: `change of ${data.metric} with one more`, nameGap: 28, axisLabel: { color: theme.soft, hideOverlap: true, formatter: (value) => String(Number(value.toPrecision(2))) } }),
      yAxis: Report.axis(theme, { type: 'category', data: names, axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: theme.text, fontSize: 13 } }),
      series: [{
        type: 'custom', encode: { x: [1, 2, 3], y: 0 }, data: rows.map((row, at) => [at, row.low, row.estimate, row.high]),
        renderItem: (_, api) => {
          const at = api.value(0);
          const [low, middle, high] = [1, 2, 3].map((dimension) => api.coord([api.value(dimension), at]));
          const fill = colour(rows[at]);
          return { type: 'group', children: [
            { type: 'line', shape: { x1: low[0], y1: low[1], x2: high[0], y2: high[1] }, style: { stroke: fill, lineWidth: 3 } },
            ...[low, high].map(([x, y]) => ({ type: 'line', shape: { x1: x, y1: y - 5, x2: x, y2: y + 5 }, style: { stroke: fill, lineWidth: 2 } })),
            { type: 'circle', shape: { cx: middle[0], cy: middle[1], r: 5.5 }, style: { fill: sure(rows[at]) ? fill : theme.card, stroke: fill, lineWidth: 2 } },
          ] };
        },
        markLine: { silent: true, symbol: 'none', label: { show: false }, lineStyle: { color: theme.soft, type: 'solid' }, data: [{ xAxis: 0 }] },
      }],
    };
  };
  const table = () => ({ head: ['edge', 'change with one more', 'from', 'to', 'edges', 'trials'], body: sorted().toReversed().map((row) => [row.name, row.estimate, row.low, row.high, row.edges, row.trials]) });
  return Report.figure({ id: `effect-${name.toLowerCase().replaceAll(' ', '-')}`, title: name, height: () => 70 + 30 * group().rows.length, option, rows: table });
};

Report.effects = (data) => {
  const { element } = Report;
  const words = () => {
    const count = data.effects.reduce((sum, group) => sum + group.rows.length, 0);
    const [first] = data.effects;
    return [
      element('p', {}, `By how much ${data.metric} changes, after ${Report.length(data, first.step)}, with one more edge of a kind in place of any other: a straight line through all ${Report.count(first.rows[0].trials)} trials that have a value there, and the interval that covers its slope with ${Math.round(100 * first.confidence)} % confidence (Student’s t). Where the point is filled, the interval leaves out zero.`),
      element('p', { class: 'note' }, `These are ${count} intervals at once: where nothing mattered, about ${Math.max(1, Math.round(count * (1 - first.confidence)))} of them would still miss zero. Each looks at one kind alone; other choices (a learning rate) are taken for noise. What pays after ${Report.length(data, first.step)} need not pay in full training.`)];
  };
  const names = () => data.effects.map((group) => group.name);
  return element('div', {}, Report.live(() => data.effects.map((group) => [group.rows.length, group.rows[0].trials]), words),
    Report.live(names, () => element('div', { class: 'pair' }, ...names().map((name) => Report.effect(data, name)))));
};
