// A chart with its title, what it says in words, and its numbers as a table for those who cannot or do not want to see it.
Report.figures = [];

// `option(theme)` gives the chart's option; `rows()` its numbers: {head, body}, made when they are asked for.
Report.figure = ({ id, title, note, controls, height, option, rows, above }) => {
  const { element } = Report;
  const plot = element('div', { class: 'plot', role: 'img', tabindex: '0', 'aria-label': title, style: height ? `height:${height}px` : undefined });
  const figure = element('figure', { id, 'aria-label': title }, element('h3', {}, title), note ? element('figcaption', { class: 'note' }, note) : null, controls, above, plot);
  const drawn = { plot, chart: null };
  drawn.draw = () => {
    drawn.chart ??= echarts.init(plot, null, { renderer: 'canvas' });
    const described = option(Report.theme());
    drawn.chart.setOption(described, { notMerge: true });
    // For tests and curious people: how much was drawn.
    figure.dataset.points = [described.series].flat().reduce((sum, series) => sum + (series.data?.length ?? 0), 0);
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-label', described.aria?.label?.description ?? title);
    if (shown?.open) fill();
  };
  const body = element('div', { class: 'scroll' });
  const fill = () => body.replaceChildren(Report.table(rows()));
  const shown = rows ? element('details', { ontoggle: () => shown.open && fill() }, element('summary', {}, 'The numbers as a table'), body) : null;
  if (shown) figure.append(shown);
  Report.figures.push(drawn);
  figure.redraw = () => drawn.chart && drawn.draw();
  return figure;
};

// Charts are drawn when they come near the window: the first is there at once, however many trials there are.
Report.drawFigures = () => {
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((entry) => entry.isIntersecting)) {
      near.unobserve(entry.target);
      Report.figures.find((figure) => figure.plot === entry.target).draw();
    }
  }, { rootMargin: '600px' });
  Report.figures.forEach((figure) => near.observe(figure.plot));
  Report.dark.addEventListener('change', () => Report.figures.forEach((figure) => figure.chart && figure.draw()));
  window.addEventListener('beforeprint', () => Report.figures.forEach((figure) => figure.draw()));
  new ResizeObserver(() => Report.figures.forEach((figure) => figure.chart?.resize())).observe(document.body);
};

// A table of plain cells; numbers stand right.
Report.table = ({ head, body, caption, limit = 200 }) => {
  const { element } = Report;
  const kind = (column) => (body.some((row) => typeof row[column] === 'number') ? 'number' : undefined);
  const cell = (value, column) => element('td', { class: kind(column) ?? (String(value).length > 40 ? 'words' : undefined) }, typeof value === 'number' ? Report.value(value) : String(value ?? '–'));
  const shown = body.slice(0, limit);
  const more = body.length > limit ? `The first ${limit} of ${Report.count(body.length)}.` : '';
  return element('table', {},
    caption || more ? element('caption', {}, [caption, more].filter(Boolean).join(' ')) : null,
    element('thead', {}, element('tr', {}, ...head.map((name, column) => element('th', { scope: 'col', class: kind(column) }, name)))),
    element('tbody', {}, ...shown.map((row) => element('tr', {}, ...row.map(cell)))));
};

Report.select = (label, options, chosen, onchange, multiple = false) => {
  const { element } = Report;
  const isChosen = (value) => (Array.isArray(chosen) ? chosen.includes(value) : chosen === value);
  const select = element('select', { multiple, onchange: () => onchange([...select.selectedOptions].map((option) => option.value)) },
    ...options.map(([value, text]) => element('option', { value, selected: isChosen(value) }, text)));
  return element('label', {}, label, select);
};
