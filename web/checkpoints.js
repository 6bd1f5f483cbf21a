// The checkpoints of a job: a table with downloads, and the choice for generating.

import { h, replace, loading, failed, recovered, busy, toast } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { bus, ready } from './events.js';
import { jobs, FINAL } from './state.js';
import { generator } from './generate.js';

export function checkpoints({ id, query, setQuery, signal }) {
	const body = h('div', {});
	const node = h('section', { class: 'card checkpoints', 'aria-labelledby': 'checkpoints-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'checkpoints-title' }, 'Checkpoints')), body);
	const generate = generator({ query, setQuery, signal }, load);
	const rows = h('tbody', {});
	const list = table(rows);
	const made = new Map(); // id -> {key, node}: what did not change stays, with its focus
	let timer = 0;

	async function load() {
		try {
			await ready;
			const all = (await api.getAll(`/jobs/${id}/checkpoints`, 'checkpoints', { signal })).reverse();
			generate.offer(all);
			show(all);
			recovered(body);
			if (all.length > 0 && list.parentNode !== body)
				replace(body, list);
			else if (all.length === 0)
				replace(body, h('p', { class: 'blank muted' }, FINAL.has(jobs.get(id)?.state) ? 'There are none: the job ended before its first checkpoint.' : 'None yet: they are written as the job goes on, and when you ask for one.'));
		} catch (error) {
			if (!signal.aborted)
				failed(body, list.parentNode === body, error, load);
		}
	}

	/** Newest first; what is new comes before what is there, and nothing that stays is moved. */
	function show(all) {
		for (const [other, { node: old }] of made)
			if (!all.some((c) => c.id === other)) {
				old.remove();
				made.delete(other);
			}
		let next = null;
		for (const c of all.toReversed()) {
			const key = JSON.stringify(c), known = made.get(c.id);
			if (known?.key !== key) {
				const row = rowOf(c);
				known?.node.remove();
				rows.insertBefore(row, next);
				made.set(c.id, { key, node: row });
			}
			next = made.get(c.id).node;
		}
	}

	function rowOf(c) {
		return h('tr', { 'data-checkpoint': c.id },
			h('th', { scope: 'row' }, `#${c.id}`, c.name && ` ${c.name}`, c.pinned && h('span', { class: 'tag' }, 'pinned')),
			h('td', { 'data-label': 'Epoch' }, f.count(c.epoch)),
			h('td', { 'data-label': 'Step' }, f.count(c.step)),
			h('td', { 'data-label': 'SWD' }, f.figure(c.score)),
			h('td', {}, f.bytes(c.size)),
			h('td', {}, h('time', { datetime: c.created_at }, f.when(c.created_at))),
			h('td', { class: 'row-actions' },
				h('button', { type: 'button', class: 'quiet', onclick: ({ currentTarget }) => pin(c, currentTarget), 'data-pin': c.id, 'data-needs': 'write',
					title: 'Pinned checkpoints are kept', 'aria-label': `${c.pinned ? 'Unpin' : 'Pin'} checkpoint ${c.id}` }, c.pinned ? 'Unpin' : 'Pin'),
				h('button', { type: 'button', class: 'quiet', onclick: () => generate.choose(c.id), 'data-needs': 'write', 'aria-label': `Generate from checkpoint ${c.id}` }, 'Generate'),
				h('a', { class: 'button quiet', 'data-needs': 'write', href: `#/new?copy=${id}&from_checkpoint=${c.id}`, 'aria-label': `Train on from checkpoint ${c.id}` }, 'Train on'),
				h('a', { class: 'button quiet', href: `/checkpoints/${c.id}/file`, download: `job-${id}-step-${c.step}.safetensors`, 'aria-label': `Download checkpoint ${c.id}` }, 'Download')));
	}

	async function pin(c, button) {
		if (button.classList.contains('busy'))
			return;
		busy(button, true);
		try {
			await api.patch(`/checkpoints/${c.id}`, { pinned: !c.pinned });
			await load();
			body.querySelector(`[data-pin="${c.id}"]`)?.focus();
		} catch (error) {
			busy(button, false);
			toast(`Checkpoint ${c.id} could not be ${c.pinned ? 'unpinned' : 'pinned'}: ${error.message}`, 'error');
		}
	}

	/** A new one may also have made old ones go: ask for the list, not too often. */
	function soon() {
		timer ||= setTimeout(() => {
			timer = 0;
			load();
		}, 500);
	}

	bus.addEventListener('checkpoint', ({ detail }) => detail.job === id && soon(), { signal });
	bus.addEventListener('state', ({ detail }) => detail.job === id && detail.state !== 'deleted' && soon(), { signal });
	bus.addEventListener('reset', load, { signal });
	signal.addEventListener('abort', () => clearTimeout(timer));
	replace(body, loading('Loading the checkpoints…'));
	load();
	return { node, generate: generate.node };
}

function table(rows) {
	return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Table of checkpoints' }, h('table', {},
		h('thead', {}, h('tr', {}, ['Checkpoint', 'Epoch', 'Step', 'SWD', 'Size', 'Made', ''].map((t) =>
			h('th', { scope: 'col' }, t || h('span', { class: 'sr' }, 'What to do'))))),
		rows));
}
