// Talks to nasctl ui. The key stands behind the # of the address that it printed: it is kept for this tab, and leaves the address.
const Ui = {};

Ui.takeKey = () => {
  const [, key] = window.location.hash.match(/^#([0-9a-f]{48})$/) ?? [];
  if (!key) return false;
  sessionStorage.setItem('key', key);
  history.replaceState(null, '', window.location.pathname);
  return true;
};
Ui.takeKey();
// Another address of ours in the same tab, after nasctl ui was started anew on the same port.
window.addEventListener('hashchange', () => { if (Ui.takeKey()) window.location.reload(); });

Ui.ask = async (path) => {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem('key') ?? ''}` };
  let answer;
  try {
    answer = await fetch(path, { headers, cache: 'no-store' });
  } catch {
    throw new Error('nasctl ui does not answer: it has ended, or the connection to it. Start it again and open the address that it prints.');
  }
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer;
};

Ui.read = async (path) => (await Ui.ask(path)).json();

// The newest data of the report, with its version.
Ui.readData = async () => {
  const answer = await Ui.ask('/data');
  return [await answer.json(), answer.headers.get('nas-version')];
};
