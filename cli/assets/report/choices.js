// What was chosen against what came out: parallel coordinates, a scatter or heat map of one or two choices, and the front of size.
Report.rungOptions = (data) => () => data.rungs.map((rung, at) => [String(at), `rung ${at}: ${Report.length(data, rung.step)} (${Report.count(rung.entries)} results)`]).filter((_, at) => data.rungs[at].entries > 0);

// Whether a trial, by its place in the columns, is drawn.
Report.shows = () => true;

// Columns by how much of the variance they explain.
Report.byInfluence = (data) => [...data.parameters].sort((one, other) => other.influence - one.influence);

Report.column = (data, name) => data.parameters.find((column) => column.name === name) ?? data.parameters[0];

Report.columnOptions = (data) => () => {
  const name = (column) => `${column.name}${column.influence > 0 ? ` (${Math.round(column.influence * 100)} %)` : ''}`;
  return Report.byInfluence(data).map((column) => [column.name, name(column)]);
};

// Trials of one category lie beside each other, each always at the same place, so that they can be told apart.
Report.beside = (trial, width) => (((trial * 0.6180339887) % 1) - 0.5) * width;

// The names of categories on an axis of numbers.
Report.labelsAt = (column) => {
  const cut = (name) => (name.length > 20 ? `${name.slice(0, 19)}…` : name);
  return { hideOverlap: false, customValues: column.labels.map((_, at) => at), formatter: (at) => (Number.isInteger(at) ? cut(column.labels[at] ?? '') : '') };
};

// The axis of a column: names, or numbers, in the logarithm where they were drawn so.
Report.columnAxis = (theme, column, more) => {
  if (column.labels.length) return Report.axis(theme, { type: 'category', data: column.labels, name: column.name, boundaryGap: true, ...more });
  return Report.axis(theme, { type: column.log ? 'log' : 'value', scale: true, name: column.name + (column.log ? ' (logarithmic)' : ''), ...more, axisLabel: { color: theme.soft, hideOverlap: true, showMinLabel: column.log ? true : undefined, formatter: Report.short2 } });
};

Report.short2 = (value) => (Math.abs(value) >= 1e4 ? Report.short(value) : String(Number(value.toPrecision(3))));

Report.shadesOf = (theme, better, values, dimension, more) => {
  const sorted = Float64Array.from(values).sort();
  // The worst quarter would take most of the shades from the others.
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  let [min, max] = better === 'Maximize' ? [at(0.25), at(1)] : [at(0), at(0.75)];
  if (!(min < max)) [min, max] = [min - 0.5, min + 0.5];
  return { type: 'continuous', min, max, dimension, calculable: false, inRange: { color: better === 'Maximize' ? theme.shades : theme.shades.toReversed() }, textStyle: { color: theme.soft }, precision: 3, ...more };
};

Report.parallel = (data) => {
  const ranked = Report.byInfluence(data);
  const chosen = ranked.filter((column) => !column.derived).slice(0, 6).concat(ranked.filter((column) => column.derived).slice(0, 2));
  const state = { axes: (chosen.length ? chosen : ranked.slice(0, 8)).map((column) => column.name), rung: '0' };
  const points = () => {
    const values = data.trials.values[Number(state.rung)];
    return data.trials.number.map((_, at) => at).filter((at) => values[at] !== null && Report.shows(at));
  };
  const option = (theme) => {
    const values = data.trials.values[Number(state.rung)];
    const columns = state.axes.map((name) => Report.column(data, name));
    const place = (column, at) => (column.values[at] === null ? '-' : column.labels.length ? column.values[at] + Report.beside(data.trials.number[at], 0.5) : column.values[at]);
    // The number lies behind the axes: it says whose line it is.
    const rows = points().map((at) => [...columns.map((column) => place(column, at)), values[at], data.trials.number[at]]);
    const best = data.direction === 'Maximize' ? 1 : -1;
    rows.sort((one, other) => best * (one[columns.length] - other[columns.length]));
    const label = ({ name }) => name.replace(/ (in|of) the /, '\n').replace(/^(normal|reduce)_node(\d)_edge(\d)(_op)?$/, (_, cell, node, edge, op) => `${cell} node ${node},\n${op ? 'operation' : 'input'} ${edge}`);
    const axis = (column, dim) => ({
      dim, id: column.name, name: label(column), nameTextStyle: { color: theme.text, fontSize: 12, lineHeight: 15 }, nameTruncate: { maxWidth: 200 }, axisLine: { lineStyle: { color: theme.soft } }, axisLabel: { color: theme.text, fontSize: 11, textBorderColor: theme.card, textBorderWidth: 3, ...(column.labels?.length ? Report.labelsAt(column) : { formatter: Report.short2 }) },
      ...(column.labels?.length ? { type: 'value', min: -0.5, max: column.labels.length - 0.5, axisTick: { show: false } } : { type: column.log ? 'log' : 'value', scale: true }),
      areaSelectStyle: { borderColor: theme.mark, color: theme.mark, opacity: 0.25 },
    });
    return {
      ...Report.base(theme, `Parallel coordinates: ${rows.length} trials over ${columns.map((column) => column.name).join(', ')} and ${data.metric}.`),
      legend: undefined,
      tooltip: undefined,
      parallel: { left: 56, right: 84, top: 64, bottom: 56, parallelAxisDefault: { nameGap: 14 } },
      parallelAxis: [...columns.map(axis), { ...axis({ name: data.metric }, columns.length), nameTextStyle: { color: theme.text, fontWeight: 'bold', fontSize: 12 } }],
      visualMap: rows.length ? Report.shadesOf(theme, data.direction, rows.map((row) => row[columns.length]), columns.length, { orient: 'horizontal', left: 'center', bottom: 0, itemHeight: 160, itemWidth: 12 }) : undefined,
      series: [{
        type: 'parallel', data: rows, progressive: 2500, smooth: rows.length < 400 ? 0.12 : false, inactiveOpacity: 0.03,
        lineStyle: { width: rows.length > 1000 ? 0.8 : 1.6, opacity: rows.length > 2000 ? 0.16 : rows.length > 200 ? 0.35 : 0.75 },
      }],
    };
  };
  const controls = Report.element('div', { class: 'controls' },
    Report.select('Axes (the share of the variance that each explains)', Report.columnOptions(data), state.axes, (axes) => { if (axes.length) { state.axes = axes; figure.redraw(); } }, true),
    Report.select('Values', Report.rungOptions(data), state.rung, ([rung]) => { state.rung = rung; figure.redraw(); }));
  const figure = Report.figure({ id: 'parallel', title: 'Parallel coordinates', note: 'A line for each trial: the stronger, the better. Drag along an axis to keep the lines that pass there, click it to let all through again.', controls, height: 460, option });
  return figure;
};

// One choice against the metric: a scatter; two: the mean of the metric for each pair.
Report.scatter = (data) => {
  const state = { column: Report.byInfluence(data)[0].name, rung: '0' };
  const option = (theme) => {
    const column = Report.column(data, state.column);
    const values = data.trials.values[Number(state.rung)];
    const at = data.trials.number.map((_, at) => at).filter((at) => values[at] !== null && column.values[at] !== null && Report.shows(at));
    const points = at.map((at) => [column.labels.length ? column.values[at] + Report.beside(data.trials.number[at], 0.6) : column.values[at], values[at], data.trials.number[at], Report.label(column, at)]);
    const axis = column.labels.length
      ? Report.axis(theme, { type: 'value', min: -0.5, max: column.labels.length - 0.5, interval: 1, name: column.name, nameGap: 32, splitLine: { show: false }, axisTick: { show: false }, axisLabel: { color: theme.soft, ...Report.labelsAt(column), rotate: column.labels.length > 6 ? 24 : 0 } })
      : Report.columnAxis(theme, column, { nameGap: 32 });
    const means = column.labels.length ? column.labels.map((_, label) => {
      const mine = at.filter((at) => column.values[at] === label).map((at) => values[at]);
      return mine.length ? [[label - 0.34, mean(mine)], [label + 0.34, mean(mine)]] : null;
    }).filter(Boolean) : [];
    return {
      ...Report.base(theme, `${points.length} trials: ${data.metric} by ${column.name}.`),
      legend: undefined,
      grid: { left: 64, right: 24, top: 16, bottom: 64 },
      tooltip: { ...Report.base(theme).tooltip, trigger: 'item', formatter: ({ value }) => (value?.length > 2 ? `trial ${value[2]}<br>${Report.escape(data.metric)} ${Report.value(value[1])}<br>${Report.escape(column.name)} ${Report.escape(value[3])}` : '') },
      xAxis: axis,
      yAxis: Report.valueAxis(theme, { name: data.metric, nameGap: 48, axisLine: { onZero: false, lineStyle: { color: theme.soft } } }),
      series: [{ type: 'scatter', data: points, symbolSize: points.length > 1000 ? 4 : 8, itemStyle: { color: theme.series[0], opacity: points.length > 1000 ? 0.35 : 0.7 }, large: points.length > 20000,
        markLine: means.length ? { silent: true, symbol: 'none', lineStyle: { color: theme.mark, type: 'solid', width: 3 }, data: means.map(([from, to]) => [{ coord: from }, { coord: to }]) } : undefined }],
    };
  };
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const controls = Report.element('div', { class: 'controls' },
    Report.select('Choice', Report.columnOptions(data), state.column, ([column]) => { state.column = column; figure.redraw(); }),
    Report.select('Values', Report.rungOptions(data), state.rung, ([rung]) => { state.rung = rung; figure.redraw(); }));
  const rows = () => {
    const column = Report.column(data, state.column);
    return { head: ['trial', column.name, data.metric], body: data.trials.number.map((number, at) => [String(number), Report.label(column, at), data.trials.values[Number(state.rung)][at] ?? '–']) };
  };
  const figure = Report.figure({ id: 'scatter', title: 'One choice against the metric', note: 'Each point is a trial; bars are means. The share behind a name is what it explains of the variance at rung 0, chance taken off; of many choices, some stand out by chance.', controls, height: 400, option, rows });
  return figure;
};

Report.heatmap = (data) => {
  const ranked = Report.byInfluence(data);
  const state = { x: ranked[0].name, y: (ranked[1] ?? ranked[0]).name, rung: '0' };
  // 3.24 M to 3.56 M as 3.24–3.56 M.
  const range = (from, to) => { const [one, other] = [Report.short2(from), Report.short2(to)]; const unit = other.match(/ [GMk]$/)?.[0]; return unit && one.endsWith(unit) ? `${one.slice(0, -unit.length)}–${other}` : `${one}–${other}`; };
  // Up to eight classes of a number, with as many trials in each.
  const classes = (column, rows) => {
    if (column.labels.length) return { names: column.labels, of: (at) => column.values[at] };
    const sorted = rows.map((at) => column.values[at]).sort((one, other) => one - other);
    const distinct = [...new Set(sorted)];
    if (distinct.length <= 9) return { names: distinct.map(Report.short2), of: (at) => distinct.indexOf(column.values[at]) };
    const edges = [...new Set([1, 2, 3, 4, 5, 6, 7].map((eighth) => sorted[Math.floor((eighth * sorted.length) / 8)]))];
    const ends = [sorted[0], ...edges, sorted[sorted.length - 1]];
    return { names: ends.slice(1).map((end, at) => range(ends[at], end)), of: (at) => edges.filter((edge) => edge <= column.values[at]).length };
  };
  const cells = () => {
    const [x, y] = [state.x, state.y].map((name) => Report.column(data, name));
    const values = data.trials.values[Number(state.rung)];
    const rows = data.trials.number.map((_, at) => at).filter((at) => values[at] !== null && x.values[at] !== null && y.values[at] !== null);
    const [across, up] = [classes(x, rows), classes(y, rows)];
    const found = new Map();
    for (const at of rows) {
      const key = `${across.of(at)}/${up.of(at)}`;
      const cell = found.get(key) ?? { x: across.of(at), y: up.of(at), sum: 0, count: 0 };
      cell.sum += values[at];
      cell.count += 1;
      found.set(key, cell);
    }
    return { x, y, across, up, list: [...found.values()].map((cell) => [cell.x, cell.y, cell.sum / cell.count, cell.count]) };
  };
  const option = (theme) => {
    const { x, y, across, up, list } = cells();
    const axis = (name, names, more) => Report.axis(theme, { type: 'category', data: names, name, splitArea: { show: false }, ...more });
    return {
      ...Report.base(theme, `Mean ${data.metric} by ${x.name} and ${y.name}.`),
      legend: undefined,
      grid: { left: 24, right: 24, top: 28, bottom: 56, containLabel: true },
      tooltip: { ...Report.base(theme).tooltip, formatter: ({ value }) => `${Report.escape(x.name)} ${Report.escape(across.names[value[0]])}<br>${Report.escape(y.name)} ${Report.escape(up.names[value[1]])}<br>mean ${Report.value(value[2])} of ${value[3]} trials` },
      xAxis: axis(x.name, across.names, { nameGap: across.names.length > 5 ? 18 + 3.6 * Math.max(...across.names.map((name) => name.length)) : 30, axisLabel: { color: theme.soft, rotate: across.names.length > 5 ? 35 : 0, interval: 0 } }),
      yAxis: axis(y.name, up.names, { nameLocation: 'end', nameGap: 4, nameTextStyle: { color: theme.soft, align: 'left' } }),
      visualMap: list.length ? Report.shadesOf(theme, data.direction, list.map((cell) => cell[2]), 2, { orient: 'horizontal', left: 'center', bottom: 0, itemHeight: 140, itemWidth: 12 }) : undefined,
      series: [{ type: 'heatmap', data: list, label: { show: list.length <= 80, fontSize: 11, formatter: ({ value }) => value[2].toFixed(3) }, itemStyle: { borderColor: theme.card, borderWidth: 2, borderRadius: 4 } }],
    };
  };
  const redraw = (change) => ([value]) => { state[change] = value; figure.redraw(); };
  const controls = Report.element('div', { class: 'controls' },
    Report.select('Across', Report.columnOptions(data), state.x, redraw('x')),
    Report.select('Up', Report.columnOptions(data), state.y, redraw('y')),
    Report.select('Values', Report.rungOptions(data), state.rung, redraw('rung')));
  const rows = () => { const { x, y, across, up, list } = cells(); return { head: [x.name, y.name, `mean ${data.metric}`, 'trials'], body: list.map(([a, b, value, count]) => [across.names[a], up.names[b], value, count]) }; };
  const figure = Report.figure({ id: 'heatmap', title: 'Two choices against the metric', note: 'The mean of all trials with that pair; few trials in a cell mean little.', controls, height: 400, option, rows });
  return figure;
};

Report.front = (data) => {
  const top = () => data.trials.values.findLastIndex((values) => values.some((value) => value !== null));
  const name = () => `rung ${top()}: ${Report.length(data, data.rungs[top()].step)}`;
  const points = () => {
    const values = data.trials.values[top()];
    const place = new Map(data.trials.number.map((number, at) => [number, at]));
    const point = (at) => [data.trials.params[at], values[at], data.trials.number[at]];
    const all = data.trials.number.map((_, at) => at).filter((at) => values[at] !== null && data.trials.params[at] !== null && Report.shows(at)).map(point);
    return { all, front: data.front.map((number) => point(place.get(number))) };
  };
  const option = (theme) => {
    const { all, front } = points();
    return {
      ...Report.base(theme, `${data.metric} against parameters at ${name()}: ${all.length} trials, ${front.length} of them on the front.`),
      tooltip: { ...Report.base(theme).tooltip, trigger: 'item', formatter: ({ value }) => `trial ${value[2]}<br>${Report.escape(data.metric)} ${Report.value(value[1])}<br>${Report.count(value[0])} parameters` },
      xAxis: Report.valueAxis(theme, { name: 'parameters', nameGap: 30, axisLabel: { color: theme.soft, hideOverlap: true, formatter: Report.short } }),
      yAxis: Report.valueAxis(theme, { name: data.metric, nameGap: 48 }),
      series: [
        { type: 'scatter', name: 'trials', data: all, symbolSize: all.length > 1000 ? 4 : 8, itemStyle: { color: theme.series[0], opacity: 0.55 } },
        { type: 'line', name: 'the front', step: 'end', data: front, symbol: 'diamond', symbolSize: 12, itemStyle: { color: theme.mark }, lineStyle: { color: theme.mark, width: 2 } },
      ],
    };
  };
  const rows = () => ({ head: ['trial', 'parameters', data.metric], body: points().front.map(([params, value, trial]) => [String(trial), Report.count(params), value]), caption: 'The front.' });
  return Report.figure({ id: 'front', title: 'Size against the metric', note: () => `At ${name()}. No trial is both smaller and better than one of the front; parameters as papers count them, without an auxiliary head.`, option, rows });
};
