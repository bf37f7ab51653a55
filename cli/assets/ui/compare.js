// Chosen trials beside each other: their curves in one chart, and what differs between them.
Ui.curves = [];

Ui.comparison = (data) => {
  const { element } = Report;
  const option = (theme) => Report.curveLines(data, Ui.curves, theme, `Learning curves of trials ${Ui.curves.map((curve) => curve.trial).join(', ')}: ${data.metric} by ${data.unit}.`);
  const figure = Report.figure({ id: 'comparison', title: 'Learning curves of the chosen trials', option, rows: () => Report.curveRows(data, Ui.curves) });
  const table = () => {
    const places = Ui.chosen.map((number) => data.trials.number.indexOf(number)).filter((at) => at >= 0);
    const known = Report.trialColumns(data).slice(1);
    const parameters = data.parameters.map((column) => ({ name: column.name, text: (at) => Report.label(column, at) }));
    const all = [...known, ...parameters.filter((parameter) => !known.some((column) => column.name === parameter.name))];
    const rows = all.map((column) => [column.name, ...places.map(column.text)]);
    const [differ, same] = [rows.filter((row) => new Set(row.slice(1)).size > 1), rows.filter((row) => new Set(row.slice(1)).size <= 1)];
    const head = ['what', ...places.map((at) => `trial ${data.trials.number[at]}`)];
    return [Ui.rows('What differs', { head, body: differ, caption: places.length > 1 ? 'What differs.' : undefined, limit: 500 }),
      places.length > 1 && same.length ? element('details', {}, element('summary', {}, `${same.length} things that are alike`), Ui.rows('What is alike', { head, body: same, limit: 500 })) : null];
  };
  const depends = () => [Ui.chosen, data.progress.trial.length, data.parameters.length];
  const words = Report.live(depends, table);
  Ui.compare = async () => {
    for (const part of [words.closest('section'), document.querySelector('nav [href="#compare"]').parentElement]) part.hidden = !Ui.chosen.length;
    if (!Ui.chosen.length) return;
    const asked = Ui.chosen.join(',');
    const curves = await Ui.read(`/curves/${asked}`);
    if (Ui.chosen.join(',') !== asked) return;
    Ui.curves = curves;
    Report.fills.forEach((fill) => fill());
    figure.redraw();
  };
  return [element('p', { class: 'note' }, `Choose up to ${Ui.most} trials in the list above.`), figure, element('div', { class: 'panel' }, words)];
};
