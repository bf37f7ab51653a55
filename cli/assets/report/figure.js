// All charts, and all else that follows the data when it changes in place.
Report.figures = [];
Report.fills = [];

// An element that is made anew when what it depends on has changed, and else left as its reader has it.
Report.live = (depends, make) => {
  const element = Report.element('div');
  let known;
  const fill = () => {
    const now = JSON.stringify(depends()) ?? '';
    if (now === known) return;
    known = now;
    element.replaceChildren(...[make()].flat().filter((child) => child !== null && child !== undefined));
  };
  fill();
  Report.fills.push(fill);
  return element;
};

// The data has changed in place: what shows it follows, and what is no longer in the page is forgotten.
Report.refresh = () => {
  Report.fills.forEach((fill) => fill());
  const gone = Report.figures.filter((figure) => !figure.plot.isConnected);
  gone.forEach((figure) => { Report.near.unobserve(figure.plot); figure.chart?.dispose(); });
  Report.figures = Report.figures.filter((figure) => !gone.includes(figure));
  Report.figures.forEach((figure) => figure.chart && figure.draw());
};

// Charts are drawn when they come near the window: the first is there at once, however many trials there are.
Report.near = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    Report.near.unobserve(entry.target);
    Report.figures.find((figure) => figure.plot === entry.target)?.draw();
  }
}, { rootMargin: '600px' });
Report.dark.addEventListener('change', () => Report.figures.forEach((figure) => figure.chart && figure.draw()));
window.addEventListener('beforeprint', () => Report.figures.forEach((figure) => figure.draw()));
new ResizeObserver(() => Report.figures.forEach((figure) => figure.chart?.resize())).observe(document.body);

// A chart with its title, what it says in words, and its numbers as a table for those who cannot or do not want to see it. `option(theme)` gives
// the chart's option; `rows()` its numbers: {head, body}, made when they are asked for. `note` and `height` may be functions, too.
Report.figure = ({ id, title, note, controls, height, option, rows, above }) => {
  const { element } = Report;
  const now = (value) => (typeof value === 'function' ? value() : value);
  const plot = element('div', { class: 'plot', role: 'img', tabindex: '0', 'aria-label': title });
  const caption = note ? element('figcaption', { class: 'note' }, now(note)) : null;
  const figure = element('figure', { id, 'aria-label': title }, element('h3', {}, title), caption, controls, above, plot);
  const drawn = { plot, chart: null };
  const fit = () => { if (height) plot.style.height = `${now(height)}px`; };
  fit();
  drawn.draw = () => {
    fit();
    drawn.chart ??= echarts.init(plot, null, { renderer: 'canvas' });
    drawn.chart.resize();
    if (caption) caption.textContent = now(note);
    const described = option(Report.theme());
    drawn.chart.setOption(described, { notMerge: true });
    // For tests and curious people: how much was drawn.
    figure.dataset.points = [described.series].flat().reduce((sum, series) => sum + (series.data?.length ?? 0), 0);
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-label', described.aria?.label?.description ?? title);
    if (shown?.open) fill();
    // Whoever shows this page may add to what is drawn.
    Report.onDraw?.(id, drawn.chart, described);
  };
  const body = element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${title}: the numbers` });
  const fill = () => body.replaceChildren(Report.table(rows()));
  const shown = rows ? element('details', { ontoggle: () => shown.open && fill() }, element('summary', {}, 'The numbers as a table'), body) : null;
  if (shown) figure.append(shown);
  Report.figures.push(drawn);
  Report.near.observe(plot);
  figure.redraw = () => drawn.chart && drawn.draw();
  return figure;
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

// `options()` gives [value, text] for each; what was chosen stays chosen when they change.
Report.select = (label, options, chosen, onchange, multiple = false) => {
  const { element } = Report;
  const select = element('select', { multiple, onchange: () => onchange([...select.selectedOptions].map((option) => option.value)) });
  let known;
  const fill = () => {
    const list = options();
    const now = JSON.stringify(list);
    if (now === known) return;
    const kept = known ? [...select.selectedOptions].map((option) => option.value) : [chosen].flat();
    known = now;
    select.replaceChildren(...list.map(([value, text]) => element('option', { value, selected: kept.includes(value) }, text)));
  };
  fill();
  Report.fills.push(fill);
  return element('label', {}, label, select);
};
