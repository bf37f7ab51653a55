// What a reader types to see some trials alone: terms by commas, which must all hold. A term is a comparison (learning_rate < 0.01, parameters >= 2.5M,
// state = stopped) or words that are looked for (stopped, rung 2).
Ui.comparing = /^(.+?)\s*(<=|>=|!=|=|<|>)\s*(.+)$/;

Ui.number = (text) => {
  const [, number, unit] = text.trim().match(/^([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([kMG%]?)$/i) ?? [];
  return number === undefined ? NaN : Number(number) * ({ k: 1e3, m: 1e6, g: 1e9, '%': 0.01 }[unit.toLowerCase()] ?? 1);
};

// All that trials can be compared by: {name, by, text}.
Ui.compared = (data) => {
  const rung = { name: 'rung', by: (at) => data.trials.rung[at], text: (at) => String(data.trials.rung[at] ?? '–') };
  const parameter = (column) => ({ name: column.name, by: (at) => (column.labels.length ? null : column.values[at]), text: (at) => Report.label(column, at) });
  return [...Report.trialColumns(data), rung, ...data.parameters.map(parameter)];
};

Ui.term = (data, columns, term) => {
  // Names may hold signs themselves.
  const known = columns.map((column) => column.name).filter((name) => term.toLowerCase().startsWith(name.toLowerCase())).sort((one, other) => other.length - one.length);
  const split = (name) => { const [, sign, wanted] = term.slice(name.length).match(/^\s*(<=|>=|!=|=|<|>)\s*(.+)$/) ?? []; return sign ? [name, sign, wanted] : null; };
  const [name, sign, wanted] = known.map(split).find(Boolean) ?? term.match(Ui.comparing)?.slice(1) ?? [];
  if (!name) {
    const isFound = Report.words(term);
    const shown = Report.trialColumns(data);
    return (at) => isFound(() => Report.trialText(data, shown, at));
  }
  const column = columns.find((column) => column.name.toLowerCase() === name.toLowerCase());
  if (!column) throw new Error(`nothing here is called “${name}”: try ${columns.slice(0, 5).map((column) => column.name).join(', ')}`);
  const number = Ui.number(wanted);
  if (sign === '=' || sign === '!=') {
    const isSame = (at) => column.text(at).toLowerCase() === wanted.toLowerCase() || (typeof column.by(at) === 'number' && column.by(at) === number);
    return sign === '=' ? isSame : (at) => !isSame(at);
  }
  if (Number.isNaN(number)) throw new Error(`“${wanted}” is no number`);
  const holds = { '<': (value) => value < number, '<=': (value) => value <= number, '>': (value) => value > number, '>=': (value) => value >= number }[sign];
  return (at) => typeof column.by(at) === 'number' && holds(column.by(at));
};

// Whether a trial, by its place, is wanted. Throws an error that says what is wrong with what was typed.
Ui.filter = (data, typed) => {
  const columns = Ui.compared(data);
  const terms = typed.split(',').map((term) => term.trim()).filter(Boolean).map((term) => Ui.term(data, columns, term));
  return (at) => terms.every((term) => term(at));
};
