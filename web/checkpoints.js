// The checkpoints of a job: a table with downloads, and the choice for generating.

import { h, replace, loading, failed, busy, toast } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { bus, ready } from './events.js';
import { generator } from './generate.js';

export function checkpoints({ id, query, setQuery, signal }) {
	const body = h('div', {});
	const node = h('section', { class: 'card', 'aria-labelledby': 'checkpoints-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'checkpoints-title' }, 'Checkpoints')), body);
	const generate = generator({ query, setQuery, signal }, load);
	let timer = 0;

	async function load() {
		try {
			await ready;
			const list = (await api.getAll(`/jobs/${id}/checkpoints`, 'checkpoints', { signal })).reverse();
			generate.offer(list);
			replace(body, list.length > 0 ? table(list) : h('p', { class: 'blank muted' }, 'None yet: they are written as the job goes on, and when you ask for one.'));
		} catch (error) {
			if (!signal.aborted)
				failed(body, body.querySelector('table') !== null, error, load);
		}
	}

	function table(list) {
		return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Table of checkpoints' }, h('table', {},
			h('thead', {}, h('tr', {}, ['Checkpoint', 'Epoch', 'Step', 'SWD', 'Size', 'Made', ''].map((t) =>
				h('th', { scope: 'col' }, t || h('span', { class: 'sr' }, 'What to do'))))),
			h('tbody', {}, list.map((c) => h('tr', { 'data-checkpoint': c.id },
				h('th', { scope: 'row' }, `#${c.id}`, c.name && ` ${c.name}`, c.pinned && h('span', { class: 'tag' }, 'pinned')),
				h('td', {}, f.count(c.epoch)),
				h('td', {}, f.count(c.step)),
				h('td', {}, f.figure(c.score)),
				h('td', {}, f.bytes(c.size)),
				h('td', {}, h('time', { datetime: c.created_at }, f.when(c.created_at))),
				h('td', { class: 'row-actions' },
					h('button', { type: 'button', class: 'quiet', onclick: ({ currentTarget }) => pin(c, currentTarget), 'data-pin': c.id, 'data-needs': 'write',
						title: 'Pinned checkpoints are kept', 'aria-label': `${c.pinned ? 'Unpin' : 'Pin'} checkpoint ${c.id}` }, c.pinned ? 'Unpin' : 'Pin'),
					h('button', { type: 'button', class: 'quiet', onclick: () => generate.choose(c.id), 'data-needs': 'write', 'aria-label': `Generate from checkpoint ${c.id}` }, 'Generate'),
					h('a', { class: 'button quiet', 'data-needs': 'write', href: `#/new?copy=${id}&from_checkpoint=${c.id}`, 'aria-label': `Train on from checkpoint ${c.id}` }, 'Train on'),
					h('a', { class: 'button quiet', href: `/checkpoints/${c.id}/file`, download: `job-${id}-step-${c.step}.safetensors`, 'aria-label': `Download checkpoint ${c.id}` }, 'Download')))))));
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
