// Trials that were marked in a chart: along axes of the parallel coordinates, or by a rectangle in a scatter.
Ui.brushes = new Map();
Ui.onBrush = () => {};

// Numbers of the trials that are marked in all charts that have a mark; null: in none.
Ui.brushed = () => {
  const sets = [...Ui.brushes.values()].map((brush) => brush.numbers);
  return sets.length ? sets.reduce((one, other) => one.intersection(other)) : null;
};

Ui.clearBrushes = () => {
  Ui.brushes.clear();
  Report.figures.forEach((figure) => figure.chart && figure.draw());
  Ui.onBrush();
};

Ui.mark = (id, brush) => {
  if (brush) Ui.brushes.set(id, brush);
  else if (!Ui.brushes.delete(id)) return;
  Ui.onBrush();
};

// Lines that pass the marks on all axes.
Ui.brushParallel = (chart, described) => {
  const brush = Ui.brushes.get('parallel');
  const axes = described.parallelAxis.map((axis) => axis.id);
  const intervals = new Map([...(brush?.intervals ?? [])].filter(([axis]) => axes.includes(axis)));
  intervals.forEach((interval, parallelAxisId) => chart.dispatchAction({ type: 'axisAreaSelect', parallelAxisId, intervals: interval }));
  chart.off('axisareaselected');
  chart.on('axisareaselected', ({ parallelAxisId, intervals: drawn }) => {
    if (drawn.length) intervals.set(parallelAxisId, drawn);
    else intervals.delete(parallelAxisId);
    if (!intervals.size) { Ui.mark('parallel', null); return; }
    const [series] = described.series;
    const active = chart.getModel().getSeriesByIndex(0).getRawIndicesByActiveState('active');
    // The number is the last of each row.
    Ui.mark('parallel', { intervals, numbers: new Set(active.map((at) => series.data[at].at(-1))) });
  });
};

// Points in a rectangle.
Ui.brushPoints = (id, chart, described) => {
  const axis = described.xAxis.name;
  const known = Ui.brushes.get(id);
  chart.setOption({ brush: { xAxisIndex: 0, yAxisIndex: 0, brushMode: 'single', throttleType: 'debounce', throttleDelay: 120, outOfBrush: { colorAlpha: 0.15 } } });
  chart.dispatchAction({ type: 'takeGlobalCursor', key: 'brush', brushOption: { brushType: 'rect', brushMode: 'single' } });
  chart.off('brushselected');
  chart.off('brushEnd');
  // Of another choice, the same rectangle means something else.
  if (known && known.axis !== axis) Ui.mark(id, null);
  else if (known) chart.dispatchAction({ type: 'brush', areas: known.areas });
  let areas = known?.axis === axis ? known.areas : [];
  chart.on('brushEnd', (event) => { areas = event.areas; });
  chart.on('brushselected', ({ batch: [{ selected }] }) => {
    if (!areas.length) { Ui.mark(id, null); return; }
    const [{ dataIndex }] = selected;
    Ui.mark(id, { axis, areas, numbers: new Set(dataIndex.map((at) => described.series[0].data[at][2])) });
  });
};

Report.onDraw = (id, chart, described) => {
  if (id === 'parallel') Ui.brushParallel(chart, described);
  else if (id === 'scatter' || id === 'front') Ui.brushPoints(id, chart, described);
  if (!['parallel', 'scatter', 'front', 'curves', 'comparison'].includes(id)) return;
  chart.off('click');
  chart.on('click', ({ seriesType, value, seriesName }) => {
    const number = seriesType === 'scatter' ? value[2] : Number(seriesName?.match(/^trial (\d+)$/)?.[1]);
    if (Number.isInteger(number)) Ui.open(number);
  });
};
