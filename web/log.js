// The log lines of a job: what is kept of the past, then live, the newest at the end.

import { h, replace } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { bus, ready } from './events.js';

const MOST = 500;

export function log({ id, signal }) {
	const lines = h('ol', {});
	const box = h('div', { class: 'log', tabindex: 0, role: 'log', 'aria-label': 'Log' }, lines);
	const none = h('p', { class: 'blank muted' }, 'Nothing was logged.');
	const body = h('div', {}, none);
	const node = h('section', { class: 'card', 'aria-labelledby': 'log-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'log-title' }, 'Log')), body);
	let waiting = []; // lines that came while the past was loading; null: loaded

	function append({ at, level, text }) {
		if (box.parentNode !== body)
			replace(body, box);
		const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
		lines.append(h('li', { 'data-level': level },
			h('time', { datetime: at, title: at }, f.clock(at)),
			level !== 'info' && h('span', { class: 'level' }, level),
			h('span', {}, text)));
		while (lines.childElementCount > MOST)
			lines.firstElementChild.remove();
		if (atEnd)
			box.scrollTop = box.scrollHeight;
	}

	async function load() {
		waiting ??= [];
		let past = [];
		try {
			await ready;
			past = await api.getAll(`/jobs/${id}/log`, 'log', { signal });
		} catch {
			// The lines to come are shown all the same.
		}
		lines.replaceChildren();
		const seen = new Set(past.map((line) => `${line.at} ${line.text}`));
		past.slice(-MOST).forEach(append);
		waiting.filter((line) => !seen.has(`${line.at} ${line.text}`)).forEach(append);
		waiting = null;
	}

	bus.addEventListener('log', ({ detail }) => {
		if (detail.job !== id)
			return;
		if (waiting)
			waiting.push(detail);
		else
			append(detail);
	}, { signal });
	bus.addEventListener('reset', load, { signal });
	load();
	return node;
}
