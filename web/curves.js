// The curves of a job: loaded in buckets, then every step as it happens.

import { h, replace, loading, failure, setText, busy, toast } from './dom.js';
import * as f from './format.js';
import * as api from './api.js';
import { bus, ready } from './events.js';
import { Series } from './series.js';
import { Plot } from './plot.js';

const KEYS = ['loss_d', 'loss_g', 'd_real', 'd_fake', 'd_fake_after', 'images_per_s'];
const POINTS = 400; // buckets asked for
const WINDOWS = [['', 'All steps'], ['5000', 'Last 5,000'], ['1000', 'Last 1,000'], ['200', 'Last 200']];
const SMOOTH = 0.85; // weight of the past in the smoothed line; the band shows what it hides

export function curves({ id, query, setQuery, signal }) {
	const series = Object.fromEntries(KEYS.map((key) => [key, new Series(2 * POINTS)]));
	const rows = (list) => list.map((row) => ({ ...row, series: series[row.key] }));
	const plots = [];
	const onCursor = (step, from) => plots.forEach((plot) => plot !== from && plot.setCursor(step));
	plots.push(
		new Plot({
			title: 'Loss', onCursor, signal, rows: rows([
				{ key: 'loss_d', label: 'D', colour: '--plot-d' },
				{ key: 'loss_g', label: 'G', colour: '--plot-g' }]),
		}),
		new Plot({
			title: 'What D says', min: 0, max: 1, onCursor, signal, rows: rows([
				{ key: 'd_real', label: 'D(x), real', colour: '--plot-d' },
				{ key: 'd_fake', label: 'D(G(z)), generated', colour: '--plot-g' },
				{ key: 'd_fake_after', label: 'D(G(z)), after step', colour: '--plot-extra', dash: [4, 3], hidden: true }]),
		}),
		new Plot({
			title: 'Speed', onCursor, signal, rows: rows([
				{ key: 'images_per_s', label: 'Images a second', colour: '--plot-extra' }]),
		}));

	const range = h('select', { id: 'curve-window' }, WINDOWS.map(([value, label]) => h('option', { value }, label)));
	range.value = WINDOWS.some(([value]) => value === query.get('window')) ? query.get('window') : '';
	const smooth = h('input', { type: 'checkbox', id: 'curve-smooth', checked: query.get('smooth') !== '0' });
	const csv = h('button', { type: 'button', class: 'quiet' }, 'CSV');
	const told = h('p', { class: 'muted small' });
	const body = h('div', {});
	const node = h('section', { class: 'card', 'aria-labelledby': 'curves-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'curves-title' }, 'Curves'),
			h('div', { class: 'row' },
				h('label', { class: 'check' }, smooth, 'Smooth'),
				h('label', { class: 'sr', for: 'curve-window' }, 'Steps shown'), range, csv)),
		body);

	let total = 0;
	let waiting = []; // metric events that came while the curves were loading; null: loaded
	let attempt = 0;

	const windowed = () => Number(range.value) || 0;

	function tell() {
		const newest = series.loss_d.newest;
		if (!newest) {
			setText(told, '');
			return;
		}
		const n = series.loss_d.buckets.length;
		const steps = series.loss_d.buckets.reduce((sum, b) => sum + b.count, 0);
		setText(told, n < steps
			? `${f.count(steps)} of ${f.count(total)} steps in ${f.count(n)} points: a${smooth.checked ? ' smoothed' : ''} line through the last value of each, and a band from its least to its greatest.`
			: `${f.count(steps)} of ${f.count(total)} steps, a point each.`);
	}

	function show() {
		if (series.loss_d.newest && plots[0].node.parentNode !== body)
			replace(body, plots.map((plot) => plot.node), told);
		else if (!series.loss_d.newest)
			replace(body, h('p', { class: 'blank muted' }, 'The curves begin with the first step.'));
		plots.forEach((plot) => plot.schedule());
		tell();
	}

	function append({ steps, series: values }) {
		for (const key of KEYS)
			values[key]?.forEach((v, i) => series[key].append(steps[i], v));
		total = Math.max(total, steps.at(-1) ?? 0);
		if (windowed())
			KEYS.forEach((key) => series[key].dropBefore(total - windowed() + 1));
	}

	async function load() {
		const mine = ++attempt;
		waiting ??= [];
		if (!series.loss_d.newest)
			replace(body, loading('Loading the curves…'));
		try {
			await ready;
			let from = 1;
			if (windowed()) {
				const job = await api.get(`/jobs/${id}`, { signal });
				from = Math.max(1, job.step - windowed() + 1);
			}
			const answer = await api.get(`/jobs/${id}/metrics?series=${KEYS.join(',')}&from=${from}&max_points=${POINTS}`, { signal });
			if (mine !== attempt)
				return;
			for (const key of KEYS)
				series[key].load(answer.series[key]?.points ?? []);
			total = series.loss_d.newest?.last_step ?? 0;
			waiting.forEach(append);
			waiting = null;
			show();
		} catch (error) {
			if (!signal.aborted && mine === attempt)
				replace(body, failure(error, load));
		}
	}

	bus.addEventListener('metric', ({ detail }) => {
		if (detail.job !== id)
			return;
		if (waiting) {
			waiting.push(detail);
			// A load that fails or hangs must not hoard: what is dropped here is in the next load.
			if (waiting.length > 5000)
				waiting.shift();
			return;
		}
		append(detail);
		show();
	}, { signal });
	bus.addEventListener('state', ({ detail }) => {
		if (detail.job === id && detail.rewound_to !== null && detail.rewound_to !== undefined) {
			waiting = []; // points above that step are void, those that follow are not
			load();
		}
	}, { signal });
	bus.addEventListener('reset', load, { signal });
	range.addEventListener('change', () => {
		setQuery({ window: range.value });
		load();
	});
	const applySmooth = () => plots.forEach((plot) => {
		plot.smoothing = smooth.checked ? SMOOTH : 0;
		plot.schedule();
	});
	smooth.addEventListener('change', () => {
		setQuery({ smooth: smooth.checked ? '' : '0' });
		applySmooth();
		tell();
	});
	csv.addEventListener('click', () => download(id, csv));
	applySmooth();
	load();
	return node;
}

/** All series as a file, every step up to the API's limit of points. A link could not ask for
 * CSV, which the API gives by the Accept header. */
async function download(id, button) {
	busy(button, true);
	try {
		const text = await api.getText(`/jobs/${id}/metrics?max_points=20000`, 'text/csv', { timeout: 120000 });
		const url = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
		h('a', { href: url, download: `job-${id}-metrics.csv` }).click();
		setTimeout(() => URL.revokeObjectURL(url), 60000);
	} catch (error) {
		toast(error.message, 'error');
	}
	busy(button, false);
}
