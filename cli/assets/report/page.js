// The page: sections in order, of data that was written into it.
Report.page = (data) => {
  const { element } = Report;
  const several = data.parameters.length > 0 && data.rungs[0].entries > 1;
  const sections = [
    ['best', data.best?.cells.length === 0 ? 'Best configuration' : 'Best architecture', () => [Report.bestSection(data)]],
    ['training', 'Training', () => [Report.anytime(data), Report.curves(data), Report.funnel(data)], data.progress.trial.length > 0],
    ['wins', 'What wins', () => [Report.effects(data)], data.effects.length > 0],
    ['choices', 'Choices', () => (data.parameters.length > 1 ? [Report.parallel(data), element('div', { class: 'pair' }, Report.scatter(data), Report.heatmap(data))] : [Report.scatter(data)]), several],
    ['size', 'Size', () => [Report.front(data)], data.front.length > 0],
    ['trials', 'Trials', () => [Report.trialList(data)], data.trials.number.length > 0],
    ['failures', 'Failures', () => [Report.failureTable(data)]],
    ['decisions', 'Decisions', () => [element('p', {}, 'All that came out and all that was decided, in order. ', element('span', { class: 'soft' }, '“nasctl explain” tells the story of one trial, “nasctl replay” computes every decision anew.')), Report.decisionLog(data)]],
    ['again', 'Do it again', () => [element('p', {}, 'The same file, seed and data give the same trials, and on the same machine the same values.'), element('pre', { tabindex: '0', id: 'experiment', 'aria-label': 'Experiment file' }, data.experiment)]],
  ].filter(([, , , there]) => there !== false);
  const ended = data.end ? `The search ended: ${data.end.message}.` : 'The search has not ended.';
  document.getElementById('page').replaceChildren(
    element('header', {}, element('p', { class: 'soft' }, 'Search'), element('h1', {}, data.name), data.simulated ? element('p', { id: 'simulated', class: 'simulated' }, data.simulated) : null, element('p', { id: 'end' }, ended), Report.summary(data)),
    element('nav', { 'aria-label': 'Sections' }, element('ul', {}, ...sections.map(([id, name]) => element('li', {}, element('a', { href: `#${id}` }, name))))),
    element('main', { id: 'main' }, ...sections.map(([id, name, parts]) => element('section', { 'aria-labelledby': id }, element('h2', { id }, name), ...parts()))),
    element('footer', {}, `Values are ${data.metric} on ${data.judgedBy}. Made by nasctl report; this page loads nothing and sends nothing. Charts: Apache ECharts.`));
  Report.drawFigures();
  // page.html#tables shows the numbers of all charts, for readers and programs that want them.
  if (window.location.hash === '#tables') document.querySelectorAll('details').forEach((details) => { details.open = true; });
  document.documentElement.dataset.ready = 'true';
};

Report.page(JSON.parse(document.getElementById('data').textContent));
