// One job: how far it is, its curves, its samples, its checkpoints.

import { h, replace, loading, failure, failed, recovered, setText, toast } from './dom.js';
import * as f from './format.js';
import { ready } from './events.js';
import { jobs, changes, loadJob, FINAL } from './state.js';
import { statePill, progressBlock } from './progress.js';
import { actionBar } from './actions.js';
import { curves } from './curves.js';
import { samples } from './samples.js';
import { checkpoints } from './checkpoints.js';
import { log } from './log.js';
import { grouped, label, paramsOf, COMMON, GROUPS } from './fields.js';

export function jobView(ctx) {
	const { id, signal, setTitle } = ctx;
	const body = h('div', {});
	const heading = h('h1', {}, `Job ${id}`);
	const pill = statePill();
	const actions = actionBar();
	const about = h('p', { class: 'muted about' });
	const tags = h('p', { class: 'tags', hidden: true });
	const note = h('p', { class: 'note', hidden: true });
	const progress = progressBlock();
	const facts = h('dl', { class: 'facts' });
	const why = h('div', {});
	const params = h('details', { class: 'card params', open: ctx.query.has('parameters') }, h('summary', {}, h('h2', {}, 'Parameters')));
	const cells = [];
	let parts = null; // AbortController of what is built

	const node = h('section', { class: 'job' },
		h('nav', { class: 'crumbs', 'aria-label': 'Breadcrumb' }, h('a', { href: '#/jobs' }, 'Jobs'), h('span', { 'aria-hidden': 'true' }, '/'), h('span', { 'aria-current': 'page' }, `#${id}`)),
		body);

	/** The place keeps its cell, whatever it is called in this state of the job. */
	function fact(place, name, text) {
		let cell = cells[place];
		if (!cell) {
			cell = cells[place] = { name: h('dt', {}), text: h('dd', {}) };
			facts.append(h('div', {}, cell.name, cell.text));
		}
		setText(cell.name, name);
		setText(cell.text, text);
	}

	function build() {
		parts = new AbortController();
		const { signal: own } = parts;
		const inner = { ...ctx, signal: own, onRestore: (restore) => ctx.onRestore((query) => own.aborted || restore(query)) };
		const points = checkpoints(inner);
		replace(body,
			h('div', { class: 'title-row' }, h('div', {}, h('div', { class: 'title' }, heading, pill.node), about), actions.node),
			tags, note, why,
			h('div', { class: 'card' }, progress.node, facts),
			h('div', { class: 'columns' },
				curves(inner),
				h('div', { class: 'column' }, samples(inner), points.generate, log(inner))),
			points.node, params);
	}

	function update(job) {
		setText(heading, f.jobTitle(job));
		pill.update(job);
		actions.update(job);
		progress.update(job);
		setText(about, [job.dataset, job.params.size > 0 && `${job.params.size}×${job.params.size}`, `${job.params.arch} architecture`, `made ${f.when(job.created_at)}`].filter(Boolean).join(' · '));
		showWords(job);
		fact(0, 'Loss of D', f.figure(job.loss_d));
		fact(1, 'Loss of G', f.figure(job.loss_g));
		fact(2, 'D(x)', f.figure(job.d_real));
		fact(3, 'D(G(z))', f.figure(job.d_fake));
		if (FINAL.has(job.state)) {
			fact(4, 'Started', f.when(job.started_at));
			fact(5, 'Ended', f.when(job.finished_at));
		} else {
			fact(4, 'Images/s', f.rate(job.state === 'running' ? job.images_per_s : null));
			fact(5, 'Time left', f.duration(job.eta_s));
		}
		showWhy(job);
		showParams(job);
		setTitle(job.state === 'running' ? `${Math.floor(100 * job.step / job.steps_total)} % · ${f.jobTitle(job)}` : `${f.jobTitle(job)} (${job.state})`);
	}

	function showWords(job) {
		note.hidden = !job.note;
		setText(note, job.note);
		const words = [...(job.pinned ? ['pinned'] : []), ...job.tags], key = JSON.stringify(words);
		if (tags.dataset.key === key)
			return;
		tags.dataset.key = key;
		tags.hidden = words.length === 0;
		replace(tags, words.map((t) => h('span', { class: 'tag' }, t)));
	}

	function showWhy(job) {
		const key = job.state === 'failed' ? job.error ?? '' : null;
		if (why.dataset.key === String(key))
			return;
		why.dataset.key = String(key);
		replace(why, key !== null && h('div', { class: 'callout bad failed', role: 'alert' },
			h('div', {}, h('strong', {}, 'This job failed'), h('p', { class: 'reason' }, key || 'No reason was recorded.'),
				h('p', { class: 'muted' }, job.step > 0 ? 'Its curves and samples up to then are below. It can be tried again with other settings, or trained on from one of its checkpoints.' : 'It failed before the first step.')),
			h('a', { class: 'button', 'data-needs': 'write', href: `#/new?copy=${job.id}` }, 'Try again with changes')));
	}

	function showParams(job) {
		const now = paramsOf(job), key = JSON.stringify(now);
		if (params.dataset.key === key)
			return;
		params.dataset.key = key;
		const groups = grouped(Object.keys(now), [['Job', COMMON], ...GROUPS]);
		replace(params, params.querySelector('summary'),
			h('div', { class: 'param-groups' }, groups.map(([title, names]) => h('div', {}, h('h3', {}, title),
				h('dl', {}, names.map((name) => h('div', { title: name }, h('dt', {}, label(name)), h('dd', {}, f.value(now[name])))))))),
			h('a', { class: 'button', 'data-needs': 'write', href: `#/new?copy=${job.id}` }, 'New job with these'));
	}

	async function load() {
		if (!parts)
			replace(body, heading, loading('Loading the job…'));
		try {
			await ready;
			const job = await loadJob(id, { signal });
			if (!parts)
				build();
			recovered(body);
			update(job);
		} catch (error) {
			if (signal.aborted)
				return;
			if (error.status === 404) {
				parts?.abort();
				replace(body, h('div', { class: 'blank' }, h('h1', {}, `There is no job ${id}`), h('p', {}, 'It may have been deleted.'), h('a', { class: 'button', href: '#/jobs' }, 'To the jobs')));
			} else if (parts) {
				failed(body, true, error, load);
			} else {
				replace(body, heading, failure(error, load));
			}
		}
	}

	params.addEventListener('toggle', () => ctx.setQuery({ parameters: params.open ? 'open' : '' }));
	changes.addEventListener('job', ({ detail }) => parts && detail.id === id && update(detail), { signal });
	changes.addEventListener('gone', ({ detail }) => {
		if (detail === id && parts) {
			toast(`Job ${id} is gone`);
			location.hash = '#/jobs';
		}
	}, { signal });
	changes.addEventListener('reset', load, { signal });
	signal.addEventListener('abort', () => parts?.abort());
	setTitle(`Job ${id}`);
	if (jobs.has(id)) {
		build();
		update(jobs.get(id));
	}
	load();
	return { node };
}
