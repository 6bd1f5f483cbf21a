// The parameters of several jobs as a table: what differs, or everything.

import { h, replace, setText } from './dom.js';
import * as f from './format.js';
import { grouped, label, paramsOf, COMMON, GROUPS } from './fields.js';

export function differences(list, { query, setQuery, onRestore }) {
	const params = list.map(paramsOf);
	const names = [...new Set(params.flatMap((each) => Object.keys(each)))];
	const ordered = grouped(names, [['Job', COMMON], ...GROUPS]).flatMap(([, members]) => members);
	const differs = (name) => new Set(params.map((each) => JSON.stringify(each[name] ?? null))).size > 1;
	const all = h('input', { type: 'checkbox' });
	const told = h('p', { class: 'muted small' });
	const body = h('tbody', {});

	function show() {
		const rows = ordered.filter((name) => all.checked || differs(name));
		replace(body, rows.map((name) => h('tr', { class: differs(name) ? 'differs' : null },
			h('th', { scope: 'row', title: name }, label(name)),
			params.map((each) => h('td', {}, f.value(each[name]))))));
		const n = ordered.filter(differs).length;
		setText(told, n === 0 ? 'All parameters are the same.' : `${f.plural(n, 'parameter differs', 'parameters differ')} of ${ordered.length}.`);
	}

	function read(from) {
		all.checked = from.get('parameters') === 'all';
		show();
	}

	all.addEventListener('change', () => {
		setQuery({ parameters: all.checked ? 'all' : '' }, true);
		show();
	});
	onRestore(read);
	read(query);
	return h('section', { class: 'card', 'aria-labelledby': 'differences-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'differences-title' }, 'Parameters'),
			h('label', { class: 'check' }, all, 'Show all')),
		h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Parameters of the jobs' },
			h('table', { class: 'differences' },
				h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Parameter'), list.map((job) => h('th', { scope: 'col' }, f.jobTitle(job))))),
				body)),
		told);
}
