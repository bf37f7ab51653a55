// The parts of the page, of data that may change in place: an id, a name, whether there is anything to see, and how it is made.
Report.sections = (data, trialList = Report.trialList) => {
  const { element } = Report;
  const part = (id, name, make, isThere = () => true) => ({ id, name: typeof name === 'function' ? name : () => name, make, isThere });
  const several = () => data.parameters.length > 0 && data.rungs[0].entries > 1;
  const choices = () => (data.parameters.length > 1 ? [Report.parallel(data), element('div', { class: 'pair' }, Report.scatter(data), Report.heatmap(data))] : [Report.scatter(data)]);
  return [
    part('best', () => (data.best?.cells.length === 0 ? 'Best configuration' : 'Best architecture'), () => [Report.live(() => [data.best, data.confirm, data.verdict], () => Report.bestSection(data))]),
    part('training', 'Training', () => [Report.anytime(data), Report.curves(data), Report.funnel(data)], () => data.progress.trial.length > 0),
    part('wins', 'What wins', () => [Report.effects(data)], () => data.effects.length > 0),
    part('choices', 'Choices', choices, several),
    part('size', 'Size', () => [Report.front(data)], () => data.front.length > 0),
    part('trials', 'Trials', () => [trialList(data)], () => data.trials.number.length > 0),
    part('failures', 'Failures', () => [Report.failureTable(data)]),
    part('decisions', 'Decisions', () => [element('p', {}, 'All that came out and all that was decided, in order. ', element('span', { class: 'soft' }, '“nasctl explain” tells the story of one trial, “nasctl replay” computes every decision anew.')), Report.decisionLog(data)]),
    part('again', 'Do it again', () => [element('p', {}, 'The same file, seed and data give the same trials, and on the same machine the same values.'), Report.live(() => data.experiment, () => element('pre', { tabindex: '0', id: 'experiment', role: 'region', 'aria-label': 'Experiment file' }, data.experiment))]),
  ];
};

// What stands above them.
Report.head = (data) => {
  const { element } = Report;
  const ended = () => (data.end ? `The search ended: ${data.end.message}.` : 'The search has not ended.');
  return [element('p', { class: 'soft' }, 'Search'), element('h1', {}, data.name), ...(data.simulated ? [element('p', { id: 'simulated', class: 'simulated' }, data.simulated)] : []), Report.live(ended, () => element('p', { id: 'end' }, ended())),
    Report.live(() => [data.spent, data.best, data.created, data.maxTrials, data.progress.trial.length], () => Report.summary(data))];
};

Report.section = ({ id, name }, parts) => Report.element('section', { 'aria-labelledby': id }, Report.element('h2', { id }, name()), ...parts);

Report.entry = ({ id, name }) => Report.element('li', {}, Report.element('a', { href: `#${id}` }, name()));

Report.page = (data) => {
  const { element } = Report;
  const sections = Report.sections(data).filter((section) => section.isThere());
  document.getElementById('page').replaceChildren(
    element('header', {}, ...Report.head(data)),
    element('nav', { 'aria-label': 'Sections' }, element('ul', {}, ...sections.map(Report.entry))),
    element('main', { id: 'main' }, ...sections.map((section) => Report.section(section, section.make()))),
    element('footer', {}, `Values are ${data.metric} on ${data.judgedBy}. Made by nasctl report; this page loads nothing and sends nothing. Charts: Apache ECharts.`));
  // page.html#tables shows the numbers of all charts, for readers and programs that want them.
  if (window.location.hash === '#tables') document.querySelectorAll('details').forEach((details) => { details.open = true; });
  document.documentElement.dataset.ready = 'true';
};
