'use strict';
// Text and elements. Whatever came from a person or a trainer goes through here: as text of a node, or escaped.
const Report = {};

Report.element = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
};

// For the tooltips of charts, which are markup.
Report.escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

Report.value = (value) => (value === null || value === undefined ? '–' : Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(3) : String(Number(value.toFixed(4))));

Report.fixed = (value) => (value === null || value === undefined ? '–' : value.toFixed(4));

Report.count = (value) => (value === null || value === undefined ? '–' : value.toLocaleString('en-US'));

// 1,234 stays; 2,563,000 is 2.56 M.
Report.short = (value) => {
  if (value === null || value === undefined) return '–';
  for (const [size, unit] of [[1e9, ' G'], [1e6, ' M'], [1e4, ' k']]) if (value >= size) return Number((value / (size === 1e4 ? 1e3 : size)).toPrecision(3)) + unit;
  return Report.count(value);
};

Report.hours = (hours) => {
  if (hours === null || hours === undefined) return '–';
  const seconds = hours * 3600;
  if (seconds < 90) return `${Number(seconds.toPrecision(3))} s`;
  if (hours < 1.5) return `${Number((hours * 60).toPrecision(3))} min`;
  return `${Number(hours.toPrecision(hours < 1000 ? 3 : 4)).toLocaleString('en-US')} h`;
};

// A length of training: 1 epoch, 27 epochs.
Report.length = (data, steps) => `${Report.count(steps)} ${steps === 1 ? { epochs: 'epoch', batches: 'batch' }[data.unit] ?? data.unit : data.unit}`;

// What a trial's parameter is called by its column.
Report.label = (column, at) => {
  const value = column.values[at];
  if (value === null) return '–';
  return column.labels.length ? column.labels[value] : Report.value(value);
};
