// The list of jobs, newest first, live.

import { h, replace, loading, failed, setText, toast } from './dom.js';
import * as f from './format.js';
import { bus, ready } from './events.js';
import { changes, loadJobs } from './state.js';
import { curlCommand } from './session.js';
import { jobRow } from './job_row.js';
import { compareHref, readIds, MOST_RUNS } from './compare.js';

const STATES = ['queued', 'preparing', 'running', 'paused', 'succeeded', 'failed', 'cancelled'];

export function jobsView({ query, setQuery, signal, onRestore }) {
	const filter = h('select', { id: 'state-filter' }, h('option', { value: '' }, 'All states'),
		STATES.map((s) => h('option', { value: s }, s)));
	const choice = h('div', { class: 'field inline' }, h('label', { for: 'state-filter' }, 'State'), filter);
	const body = h('div', {});
	const list = h('ul', { class: 'jobs' });
	const more = h('button', { type: 'button', class: 'more', hidden: true }, 'Show older jobs');
	const node = h('section', {},
		h('div', { class: 'title-row' }, h('h1', {}, 'Jobs'), choice),
		body);
	const count = h('span', {});
	const compare = h('a', { class: 'button primary' }, 'Compare');
	const bar = h('div', { class: 'pick-bar', role: 'region', 'aria-label': 'Chosen jobs', hidden: true }, count, compare,
		h('button', { type: 'button', class: 'quiet', onclick: () => pick([]) }, 'Clear'));
	node.append(bar);
	let picked = []; // ids chosen to be compared
	let pages = 1;
	const rows = new Map(); // id -> row
	let next = null;
	let known = false; // the first page has arrived
	let state = null; // the filter that the rows were loaded with
	let attempt = 0;  // a load that another has overtaken is void

	const belongs = (job) => !filter.value || job.state === filter.value;

	function place(job) {
		let row = rows.get(job.id);
		if (!row) {
			row = jobRow(job, signal, (on) => pick(on ? [...picked, job.id] : picked.filter((id) => id !== job.id)));
			rows.set(job.id, row);
			const after = [...list.children].find((li) => Number(li.dataset.job) < job.id);
			list.insertBefore(row.node, after ?? null);
		}
		row.update(job);
		row.pick(picked.includes(job.id), picked.length >= MOST_RUNS);
	}

	function pick(ids) {
		picked = ids;
		setQuery({ pick: picked.join(',') });
		showPicked();
	}

	function showPicked() {
		bar.hidden = picked.length === 0;
		setText(count, picked.length === 1 ? '1 job chosen: choose another to compare' : `${f.plural(picked.length, 'job')} chosen`);
		compare.hidden = picked.length < 2;
		compare.href = compareHref(picked);
		rows.forEach((row, id) => row.pick(picked.includes(id), picked.length >= MOST_RUNS));
	}

	function show() {
		more.hidden = next === null;
		choice.hidden = rows.size === 0 && !filter.value;
		replace(body, rows.size > 0 ? [list, more] : empty(filter.value, () => {
			filter.value = '';
			filter.dispatchEvent(new Event('change'));
		}));
	}

	/** As many pages as were shown; what is shown stays until they are here. */
	async function load() {
		known = false;
		const mine = ++attempt;
		if (rows.size === 0 || state !== filter.value)
			replace(body, loading('Loading the jobs…'));
		try {
			await ready;
			const all = [];
			let cursor = null;
			for (let i = 0; i === 0 || (i < pages && cursor !== null); i++) {
				const page = await loadJobs({ state: filter.value, cursor });
				all.push(...page.jobs);
				cursor = page.next;
			}
			if (signal.aborted || mine !== attempt)
				return;
			for (const [id, row] of rows)
				if (!all.some((job) => job.id === id)) {
					row.node.remove();
					rows.delete(id);
				}
			next = cursor;
			all.forEach(place);
			known = true;
			state = filter.value;
			show();
		} catch (error) {
			if (mine === attempt)
				failed(body, list.parentNode === body, error, load);
		}
	}

	function read(from) {
		filter.value = STATES.includes(from.get('state')) ? from.get('state') : '';
		picked = readIds(from.get('pick'));
		pages = Math.min(20, Math.max(1, Number.parseInt(from.get('pages'), 10) || 1));
		showPicked();
	}

	more.addEventListener('click', async () => {
		more.disabled = true;
		try {
			const page = await loadJobs({ state: filter.value, cursor: next });
			next = page.next;
			page.jobs.forEach(place);
			pages++;
			setQuery({ pages: String(pages) });
			show();
		} catch (error) {
			toast(error.message, 'error');
		}
		more.disabled = false;
	});
	filter.addEventListener('change', () => {
		pages = 1;
		setQuery({ state: filter.value, pages: '' }, true);
		load();
	});
	onRestore((now) => {
		read(now);
		load();
	});

	changes.addEventListener('job', ({ detail: job }) => {
		const oldest = Math.min(...rows.keys());
		if (!known || (!rows.has(job.id) && (!belongs(job) || (next !== null && job.id < oldest))))
			return;
		const before = rows.size;
		if (belongs(job)) {
			place(job);
		} else {
			rows.get(job.id).node.remove();
			rows.delete(job.id);
		}
		if ((before === 0) !== (rows.size === 0))
			show();
	}, { signal });
	changes.addEventListener('gone', ({ detail: id }) => {
		if (picked.includes(id))
			pick(picked.filter((other) => other !== id));
		rows.get(id)?.node.remove();
		if (rows.delete(id) && rows.size === 0)
			show();
	}, { signal });
	changes.addEventListener('reset', load, { signal });
	bus.addEventListener('sample', ({ detail }) => rows.get(detail.job)?.sample(detail.step), { signal });
	read(query);
	load();
	return { title: 'Jobs', node };
}

function empty(state, clear) {
	if (state)
		return h('div', { class: 'blank' }, h('h2', {}, `No job is ${state}`), h('button', { type: 'button', onclick: clear }, 'Show all states'));
	return h('div', { class: 'blank' },
		h('img', { src: 'icon.svg', alt: '', width: 56, height: 56 }),
		h('h2', {}, 'No jobs yet'),
		h('p', {}, 'A job trains a DCGAN on a data set: watch it learn to draw.'),
		h('a', { class: 'button primary', 'data-needs': 'write', href: '#/new' }, 'Start a job'),
		h('p', { class: 'muted', 'data-needs': 'write' }, 'Or from a terminal:'),
		h('pre', { 'data-needs': 'write' }, h('code', {}, curlCommand({ dataset: 'fashion-mnist' }))));
}
