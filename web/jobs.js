// The list of jobs, newest first, live.

import { h, replace, loading, failure, setText } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { bus, ready } from './events.js';
import { jobs, changes, loadJobs } from './state.js';
import { statePill, progressBlock } from './progress.js';
import { actionBar } from './actions.js';

const STATES = ['queued', 'preparing', 'running', 'paused', 'succeeded', 'failed', 'cancelled'];

export function jobsView({ query, setQuery, signal }) {
	const filter = h('select', { id: 'state-filter' }, h('option', { value: '' }, 'All states'),
		STATES.map((s) => h('option', { value: s }, s)));
	const choice = h('div', { class: 'field inline' }, h('label', { for: 'state-filter' }, 'State'), filter);
	filter.value = STATES.includes(query.get('state')) ? query.get('state') : '';
	const body = h('div', {});
	const list = h('ul', { class: 'jobs' });
	const more = h('button', { type: 'button', class: 'more', hidden: true }, 'Show older jobs');
	const node = h('section', {},
		h('div', { class: 'title-row' }, h('h1', {}, 'Jobs'), choice),
		body);
	const rows = new Map(); // id -> row
	let next = null;
	let known = false; // the first page has arrived

	const belongs = (job) => !filter.value || job.state === filter.value;

	function place(job) {
		let row = rows.get(job.id);
		if (!row) {
			row = jobRow(job, signal);
			rows.set(job.id, row);
			const after = [...list.children].find((li) => Number(li.dataset.job) < job.id);
			list.insertBefore(row.node, after ?? null);
		}
		row.update(job);
	}

	function show() {
		more.hidden = next === null;
		choice.hidden = rows.size === 0 && !filter.value;
		replace(body, rows.size > 0 ? [list, more] : empty(filter.value, () => {
			filter.value = '';
			filter.dispatchEvent(new Event('change'));
		}));
	}

	async function load() {
		known = false;
		replace(body, loading('Loading the jobs…'));
		try {
			await ready;
			const page = await loadJobs({ state: filter.value });
			rows.clear();
			list.replaceChildren();
			next = page.next;
			page.jobs.forEach(place);
			known = true;
			show();
		} catch (error) {
			replace(body, failure(error, load));
		}
	}

	more.addEventListener('click', async () => {
		more.disabled = true;
		try {
			const page = await loadJobs({ state: filter.value, cursor: next });
			next = page.next;
			page.jobs.forEach(place);
			show();
		} catch (error) {
			body.append(failure(error));
		}
		more.disabled = false;
	});
	filter.addEventListener('change', () => {
		setQuery({ state: filter.value });
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
		rows.get(id)?.node.remove();
		if (rows.delete(id) && rows.size === 0)
			show();
	}, { signal });
	changes.addEventListener('reset', load, { signal });
	bus.addEventListener('sample', ({ detail }) => rows.get(detail.job)?.sample(detail.step), { signal });
	load();
	return { title: 'Jobs', node };
}

function empty(state, clear) {
	if (state)
		return h('div', { class: 'blank' }, h('h2', {}, `No job is ${state}`), h('button', { type: 'button', onclick: clear }, 'Show all states'));
	return h('div', { class: 'blank' },
		h('img', { src: 'icon.svg', alt: '', width: 56, height: 56 }),
		h('h2', {}, 'No jobs yet'),
		h('p', {}, 'A job trains a DCGAN on a data set: choose one, and watch it learn to draw.'),
		h('a', { class: 'button primary', href: '#/new' }, 'Start a job'),
		h('p', { class: 'muted' }, 'Or from a terminal:'),
		h('pre', {}, h('code', {}, `curl ${location.origin}/jobs \\\n  -H 'Content-Type: application/json' \\\n  -d '{"dataset":"fashion-mnist"}'`)));
}

function summary(job) {
	const { size } = job.params;
	return [job.name && `#${job.id}`, job.dataset, size > 0 && `${size}×${size}`, f.when(job.created_at)].filter(Boolean).join(' · ');
}

function jobRow(job, signal) {
	const thumb = h('span', { class: 'thumb' });
	const title = h('a', { class: 'job-title', href: `#/jobs/${job.id}` });
	const about = h('span', { class: 'muted' });
	const pill = statePill();
	const progress = progressBlock();
	const losses = h('span', { class: 'muted figures' });
	const actions = actionBar({ brief: true });
	const error = h('p', { class: 'error-line' });
	const node = h('li', { class: 'card job-row', 'data-job': job.id },
		thumb,
		h('div', { class: 'job-main' },
			h('div', { class: 'job-head' }, title, pill.node, about),
			progress.node, error, losses),
		actions.node);
	let asked = false;

	function draw(src) {
		const img = h('img', { src, alt: '', class: 'pixels' });
		img.addEventListener('load', () => replace(thumb, img), { once: true });
	}

	function sample(step) {
		asked = true;
		draw(`/jobs/${job.id}/samples/step-${step}.png`);
	}

	/** The newest sample if there is one; later ones come as events. */
	async function firstSample() {
		asked = true;
		try {
			const page = await api.get(`/jobs/${job.id}/samples?limit=1`, { signal });
			if (page.samples.length > 0 && thumb.childElementCount === 0)
				draw(`/jobs/${job.id}/samples/latest.png`);
		} catch {
			// A row without a picture says as much.
		}
	}

	return {
		node,
		sample,
		update(now) {
			setText(title, f.jobTitle(now));
			setText(about, summary(now));
			pill.update(now);
			progress.update(now);
			setText(losses, now.loss_d === null || now.state === 'failed' ? '' : `loss D ${f.figure(now.loss_d)} · loss G ${f.figure(now.loss_g)}`);
			setText(error, now.state === 'failed' ? now.error ?? 'It failed without a reason.' : '');
			actions.update(now);
			if (!asked && now.step > 0)
				firstSample();
		},
	};
}
