// The page: the report's parts, with a list of trials that can be filtered, compared and opened; it follows the search.
Ui.pause = 2000;

Ui.sections = (data) => {
  const sections = Report.sections(data, Ui.trialList);
  const [trials] = sections.splice(sections.findIndex((section) => section.id === 'trials'), 1);
  const compare = { id: 'compare', name: () => 'Compare', make: () => Ui.comparison(data), isThere: () => Ui.chosen.length > 0 };
  sections.splice(1, 0, trials, compare);
  return sections;
};

// Parts that there is something to see of are made once, and stay.
Ui.unfold = (sections) => {
  const [main, list] = [document.getElementById('main'), document.querySelector('nav ul')];
  sections.forEach((section, at) => {
    if (section.made || !section.isThere()) return;
    section.made = Report.section(section, section.make());
    section.entry = Report.entry(section);
    const next = sections.slice(at + 1).find((later) => later.made);
    main.insertBefore(section.made, next?.made ?? null);
    list.insertBefore(section.entry, next?.entry ?? null);
  });
};

Ui.filterBox = (data) => {
  const { element } = Report;
  const type = () => {
    Ui.typed = input.value;
    Ui.applyFilter(data);
    Ui.list?.show();
    Report.figures.forEach((figure) => figure.chart && figure.draw());
  };
  let later;
  const input = element('input', { type: 'search', id: 'filter', 'aria-describedby': 'keys', 'aria-controls': 'trials-list', placeholder: 'stopped, learning_rate < 0.01', oninput: () => { clearTimeout(later); later = setTimeout(type, 120); } });
  return element('label', {}, 'Filter trials', input);
};

Ui.applyFilter = (data) => {
  Ui.mistaken = null;
  try {
    Report.shows = Ui.filter(data, Ui.typed);
  } catch (error) {
    Ui.mistaken = error.message;
    Report.shows = () => true;
  }
  document.getElementById('filter')?.setAttribute('aria-invalid', String(Boolean(Ui.mistaken)));
};

Ui.keys = (event) => {
  const isTyping = event.target.matches('input[type=search], select, textarea');
  if (event.key === 'Escape') {
    if (isTyping && event.target.id === 'filter') { event.target.value = ''; event.target.dispatchEvent(new Event('input')); event.target.blur(); return; }
    if (!Ui.close() && Ui.brushed()) Ui.clearBrushes();
    return;
  }
  if (event.target.id === 'filter' && ['Enter', 'ArrowDown'].includes(event.key)) {
    event.preventDefault();
    document.getElementById('trials-list')?.scrollIntoView({ block: 'nearest' });
    Ui.list?.first();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '/') { event.preventDefault(); document.getElementById('filter').focus(); }
  if (event.key === 't') Ui.list?.first();
};

Ui.say = (text, isTrouble) => {
  const status = document.getElementById('live');
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle('trouble', Boolean(isTrouble));
};

// Asks whether something has changed; what has is shown.
Ui.follow = async (data, sections) => {
  const { version, ended, trouble } = await Ui.read('/state');
  if (String(version) !== Ui.version) {
    const [fresh, now] = await Ui.readData();
    Object.assign(data, fresh);
    Ui.applyFilter(data);
    Ui.unfold(sections);
    Report.refresh();
    await Ui.compare?.();
    if (Ui.opened !== null) await Ui.fillDetail(Ui.opened);
    Ui.version = now;
    document.documentElement.dataset.version = now;
  }
  if (trouble) Ui.say(`What is shown may be old: ${trouble}`, true);
  else Ui.say(ended ? 'The search has ended; this page still follows it.' : 'Live: this page follows the search.');
};

Ui.loop = async (data, sections) => {
  for (;;) {
    await new Promise((resolve) => { setTimeout(resolve, Ui.pause); });
    if (document.hidden) continue;
    try {
      await Ui.follow(data, sections);
    } catch (error) {
      Ui.say(error.message, true);
    }
  }
};

Ui.start = async () => {
  const isWhole = new Promise((resolve) => { document.addEventListener('DOMContentLoaded', resolve, { once: true }); });
  const { element } = Report;
  let read;
  try {
    read = await Ui.readData();
  } catch (error) {
    document.getElementById('reading').textContent = error.message;
    return;
  }
  const [data, version] = read;
  [Ui.data, Ui.version] = [data, version];
  await isWhole;
  document.title = `${data.name} · nasctl ui`;
  const sections = Ui.sections(data);
  document.getElementById('page').replaceChildren(
    element('header', {}, ...Report.head(data), element('p', { id: 'live', role: 'status' }, 'Live: this page follows the search.')),
    element('nav', { 'aria-label': 'Sections' }, element('ul', {}), element('div', { class: 'controls', role: 'search' }, Ui.filterBox(data), element('span', { class: 'controls', id: 'chips', role: 'status' }), element('span', { class: 'note', id: 'keys' }, 'Keys: / filter, t list, ↑ ↓ move, Enter open, c compare, Esc close'))),
    element('main', { id: 'main' }),
    element('footer', {}, `Values are ${data.metric} on ${data.judgedBy}. Shown by nasctl ui, which changes nothing. Charts: Apache ECharts.`));
  Ui.unfold(sections);
  Ui.onChoice = () => { Ui.unfold(sections); Ui.compare?.(); };
  document.addEventListener('keydown', Ui.keys);
  // What is drawn first is in the window now: how long that took can be read by anybody.
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark('shown')));
  document.documentElement.dataset.version = version;
  document.documentElement.dataset.ready = 'true';
  await Ui.loop(data, sections);
};

Ui.start();
