// Two to six jobs over each other: one chart for each series, a line for each job, their
// samples side by side, and what was different in their parameters.

import { h, replace, loading, failure, stroke, announce } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { ready } from './events.js';
import { jobs, changes, loadJob } from './state.js';
import { statePill } from './progress.js';
import { Run } from './run.js';
import { panel } from './panel.js';
import { GUESS, explanation } from './curves.js';
import { sampleRow } from './sample_row.js';
import { differences } from './differences.js';

export const MOST_RUNS = 6;
const MOST = 500; // buckets kept of each series
const DASHES = [[], [8, 3], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4]];
const CHARTS = [
	{ key: 'loss_d', title: 'Loss of D', log: true, guides: [GUESS.loss_d] },
	{ key: 'loss_g', title: 'Loss of G', log: true, guides: [{ ...GUESS.loss_g, text: 'D cannot tell: ln 2' }] },
	{ key: 'd_real', title: 'D(x), real pictures', min: 0, max: 1, guides: [GUESS.d_real] },
	{ key: 'd_fake', title: 'D(G(z)), generated pictures', min: 0, max: 1, guides: [GUESS.d_fake] },
	{ key: 'swd', title: 'Distance from real pictures (SWD), lower is better', log: true, none: 'None of these jobs has been measured.' },
	{ key: 'ms_ssim', title: 'Likeness of generated pictures to each other (MS-SSIM)', min: 0, max: 1, none: 'None of these jobs has been measured.' },
	{ key: 'images_per_s', title: 'Images a second' },
];

/** The address of a comparison. */
export const compareHref = (ids) => `#/compare${ids.length > 0 ? `?jobs=${ids.join(',')}` : ''}`;

/** Ids as the address has them: numbers, each once, not too many. */
export function readIds(text) {
	const ids = (text ?? '').split(',').filter((s) => /^[1-9]\d{0,15}$/.test(s)).map(Number);
	return [...new Set(ids)].slice(0, MOST_RUNS);
}

export function compareView(ctx) {
	const body = h('div', { class: 'compare' });
	const chosen = h('div', { class: 'chosen' });
	const node = h('section', {}, h('h1', {}, 'Compare'), chosen, body);
	let ids = [];
	let shown = null; // AbortController of what is shown
	let pills = new Map();

	async function show() {
		shown?.abort();
		shown = new AbortController();
		const { signal } = shown;
		replace(body, loading('Loading the jobs…'));
		if (ids.every((id) => jobs.has(id)))
			choose(ids.map((id) => jobs.get(id)), [...jobs.values()]);
		try {
			await ready;
			const page = await api.get('/jobs?limit=200', { signal });
			const known = await Promise.all(ids.map((id) => loadJob(id, { signal }).catch((error) => {
				if (error.status === 404)
					return null;
				throw error;
			})));
			signal.throwIfAborted();
			choose(known, page.jobs);
			const there = known.filter(Boolean);
			if (there.length < 2)
				replace(body, blank(there.length, page.jobs.length));
			else
				replace(body, ...sections(there, signal));
		} catch (error) {
			if (!signal.aborted)
				replace(body, failure(error, show));
		}
	}

	function go(next) {
		ids = next;
		ctx.setQuery({ jobs: ids.join(','), from: '', to: '' }, true);
		show();
	}

	/** The jobs as they are drawn, each with a button that takes it away, and one more. */
	function choose(known, all) {
		pills = new Map();
		const items = known.map((job, i) => {
			const id = ids[i], name = job ? f.jobTitle(job) : `Job ${id} is gone`;
			const pill = statePill();
			if (job) {
				pill.update(job);
				pills.set(id, pill);
			}
			return h('li', { class: 'chip', 'data-run': id }, stroke(`run-${i + 1}`, DASHES[i]),
				job ? h('a', { href: `#/jobs/${id}`, title: name }, name) : h('span', {}, name),
				job && pill.node,
				h('button', { type: 'button', class: 'plain', 'aria-label': `Remove ${name}`, title: 'Remove', onclick: () => {
					go(ids.filter((other) => other !== id));
					announce(`${name} removed`);
				} }, '×'));
		});
		const rest = all.filter((job) => !ids.includes(job.id));
		const add = h('select', { 'aria-label': 'Add a job', disabled: ids.length >= MOST_RUNS, hidden: rest.length === 0 },
			h('option', { value: '' }, ids.length >= MOST_RUNS ? `At most ${MOST_RUNS} jobs` : 'Add a job…'),
			rest.map((job) => h('option', { value: job.id }, `#${job.id}${job.name ? ` ${job.name}` : ''} · ${job.dataset} · ${job.state}`)));
		add.addEventListener('change', () => go([...ids, Number(add.value)]));
		const focused = chosen.contains(document.activeElement);
		replace(chosen, items.length > 0 && h('ul', { class: 'chips' }, items), add);
		if (focused)
			[add, ...chosen.querySelectorAll('button')].find((e) => e.checkVisibility() && !e.disabled)?.focus();
	}

	function sections(list, signal) {
		const inner = { ...ctx, signal, onRestore: (fn) => ctx.onRestore((query) => signal.aborted || fn(query)) };
		const runs = list.map((job) => new Run(job.id, CHARTS.map(({ key }) => key), MOST));
		const place = (job) => ids.indexOf(job.id);
		const view = panel({
			runs, ctx: inner,
			empty: () => 'None of these jobs has made a step yet.',
			specs: CHARTS.map(({ key, ...spec }) => ({ ...spec, rows: list.map((job, i) => ({
				id: `job-${job.id}`, label: f.jobTitle(job), colour: `--run-${place(job) + 1}`, dash: DASHES[place(job)], run: runs[i], series: runs[i].series[key],
			})) })),
		});
		return [
			h('section', { class: 'card curves', 'aria-labelledby': 'curves-title' },
				h('div', { class: 'card-head' }, h('h2', { id: 'curves-title' }, 'Curves')), view.controls, view.body, view.told, explanation()),
			sampleRow({ list, ctx: inner, key: (job) => stroke(`run-${place(job) + 1}`, DASHES[place(job)]) }),
			differences(list, inner)];
	}

	changes.addEventListener('job', ({ detail }) => pills.get(detail.id)?.update(detail), { signal: ctx.signal });
	changes.addEventListener('gone', ({ detail }) => ids.includes(detail) && show(), { signal: ctx.signal });
	changes.addEventListener('reset', () => ids.forEach((id) => jobs.has(id) || loadJob(id).catch(() => {})), { signal: ctx.signal });
	ctx.signal.addEventListener('abort', () => shown?.abort());
	ctx.onRestore((query) => {
		const next = readIds(query.get('jobs'));
		if (next.join() === ids.join())
			return; // a matter of the panel
		ids = next;
		show();
	});
	ids = readIds(ctx.query.get('jobs'));
	show();
	return { title: 'Compare', node };
}

function blank(n, all) {
	if (all < 2)
		return h('div', { class: 'blank' }, h('h2', {}, 'It takes two jobs to compare'),
			h('p', {}, 'Start another one: the same with another seed, or with one parameter changed.'),
			h('a', { class: 'button primary', href: '#/new' }, 'Start a job'));
	return h('div', { class: 'blank' }, h('h2', {}, n === 0 ? 'Choose jobs to compare' : 'Choose another job'),
		h('p', {}, `Add two to ${MOST_RUNS} jobs above, or tick them in the list of jobs. Their curves are drawn over each other, with their samples and what differs in their parameters.`),
		h('a', { class: 'button', href: '#/jobs' }, 'To the jobs'));
}
