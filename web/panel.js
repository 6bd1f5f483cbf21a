// Charts that are looked at together: one range, one pointer, one set of controls, all of
// it in the address. curves.js and compare.js say which charts.
//
// While a range is looked at, the daemon is asked for that range (with a margin, so that
// moving has something to show), never for more buckets than a chart can tell apart.

import { h, replace, loading, failed, recovered, setText } from './dom.js';
import * as f from './format.js';
import { bus, ready } from './events.js';
import { loadJob } from './state.js';
import { Plot } from './plot.js';
import { AXES } from './axis.js';
import { controls } from './controls.js';

const POINTS = 400;        // buckets of a series that are asked for
const MARGIN = 0.25;       // of a range, on each side
const ASK_AFTER_MS = 150;  // a gesture is many ranges: ask when it rests
const NOTE_AFTER_MS = 500; // and note it in the address and the history

/** runs: [Run]; specs: what Plot takes, without `on` and `signal`. empty(): what is said while there is no metric. */
export function panel({ runs, specs, empty, ctx, trailing = false }) {
	const { signal, setQuery } = ctx;
	const look = controls({ ctx, trailing, change: (anew) => changed(anew), zoom: (factor) => zoomBy(factor), reset: () => zoom(null) });
	const plots = specs.map((spec) => new Plot({
		...spec, signal,
		on: { zoom: (from, to) => zoom([from, to]), reset: () => zoom(null), toggle, cursor: (x, by) => plots.forEach((p) => p !== by && p.setCursor(x)) },
	}));
	const told = h('p', { class: 'muted small told' });
	const area = h('div', { class: 'plots' });
	const body = h('div', {}, area);
	let range = null;     // [from, to] in units of the axis; null: everything, or what trails
	let waiting = [];     // metric events that came while loading; null: loaded
	let loadedOnce = false;
	let attempt = null, askTimer = 0, noteTimer = 0;

	const rows = plots.flatMap((plot) => plot.rows.map((row) => ({ plot, row })));
	const axis = () => AXES[look.axis];
	const anything = () => runs.some((run) => run.newest !== null);

	/** From where to where there are metrics, in units of the axis. */
	function extent() {
		const ends = runs.filter((run) => run.total > 0);
		if (ends.length === 0)
			return [0, 1];
		const keep = look.keep;
		return [Math.min(...ends.map((run) => axis().x(run, keep ? Math.max(1, run.total - keep + 1) : look.axis === 'step' ? 1 : 0))),
			Math.max(...ends.map((run) => axis().x(run, run.total)))];
	}

	/** Within what there is, not narrower than makes sense; null when that is everything. */
	function clamp([from, to]) {
		const [lo, hi] = extent();
		const span = Math.min(Math.max(to - from, Math.min(axis().least, hi - lo)), hi - lo);
		const start = Math.min(Math.max((from + to - span) / 2, lo), hi - span);
		return span >= (hi - lo) * 0.999 ? null : [start, start + span];
	}

	function zoom(wanted) {
		range = wanted && clamp(wanted);
		if (range)
			look.keepAll();
		clearTimeout(askTimer);
		clearTimeout(noteTimer);
		askTimer = setTimeout(load, ASK_AFTER_MS);
		noteTimer = setTimeout(() => setQuery({ window: look.keep ? String(look.keep) : '', from: range ? axis().url(range[0]) : '', to: range ? axis().url(range[1]) : '' }, true), NOTE_AFTER_MS);
		draw(true);
	}

	function zoomBy(factor) {
		const [from, to] = range ?? extent();
		const centre = (from + to) / 2, half = (to - from) / 2 * factor;
		zoom([centre - half, centre + half]);
	}

	/** The same run in other charts comes and goes with it. */
	function toggle(by) {
		rows.filter(({ row }) => row.id === by.id && row !== by).forEach(({ plot, row }) => plot.show(row, !by.hidden));
		const ids = (test) => [...new Set(rows.filter(({ row }) => test(row)).map(({ row }) => row.id))].join();
		setQuery({ hide: ids((row) => row.hidden && !row.hiddenAtFirst), show: ids((row) => !row.hidden && row.hiddenAtFirst) });
	}

	function readHidden(query) {
		const hide = (query.get('hide') ?? '').split(','), show = (query.get('show') ?? '').split(',');
		for (const { plot, row } of rows) {
			row.hiddenAtFirst ??= row.hidden === true;
			plot.show(row, row.hiddenAtFirst ? show.includes(row.id) : !hide.includes(row.id));
		}
	}

	function tell() {
		const [from, to] = range ?? [-Infinity, Infinity];
		const parts = runs.map((run) => run.series.loss_d.buckets.filter((b) => axis().x(run, b.last_step) >= from && axis().x(run, b.step) <= to)).filter((b) => b.length > 0);
		const steps = parts.flat().reduce((sum, b) => sum + b.count, 0), points = parts.flat().length;
		setText(told, points === 0 ? ''
			: `${f.count(steps)} of ${f.count(runs.reduce((sum, run) => sum + run.total, 0))} steps${points < steps ? ` in ${f.count(points)} points. Each point has a band from the least to the greatest value of its steps, so no spike is lost.` : ', a point each.'}`);
	}

	/** now: in the next frame, for what a hand does; else in the time that new points may take. */
	function draw(now = false) {
		const [from, to] = range ?? extent();
		for (const plot of plots) {
			plot.look = { axis: axis(), smoothing: look.smoothing, log: look.log, from, to };
			plot.schedule(now ? 0 : undefined);
		}
		look.update({ zoomed: range !== null, text: `${axis().text(from)} to ${axis().text(to)}` });
		tell();
	}

	function show() {
		const fresh = anything() && plots[0].node.parentNode !== area;
		if (fresh)
			replace(area, plots.map((plot) => plot.node));
		else if (!anything())
			replace(area, h('div', { class: 'blank muted' }, h('p', {}, empty())));
		draw();
		if (fresh)
			plots.forEach((plot) => plot.placed());
	}

	/** What a run is asked for: the range with its margin, in steps. */
	function steps(run) {
		if (look.keep)
			return { from: Math.max(1, (run.job?.step ?? 0) - look.keep + 1), last: Infinity, points: POINTS };
		if (!range)
			return { from: 1, last: Infinity, points: POINTS };
		const margin = (range[1] - range[0]) * MARGIN;
		return { from: axis().step(run, range[0] - margin), last: axis().step(run, range[1] + margin), points: Math.ceil(POINTS * (1 + 2 * MARGIN)) };
	}

	async function load() {
		attempt?.abort();
		const mine = attempt = new AbortController();
		waiting ??= [];
		if (!loadedOnce)
			replace(area, loading('Loading the curves…'));
		try {
			await ready;
			await Promise.all(runs.map(async (run) => {
				if (!run.job || look.keep)
					await loadJob(run.id, { signal: mine.signal });
				if (look.axis === 'time')
					await run.loadTimes(mine.signal);
				await run.load({ ...steps(run), signal: mine.signal });
			}));
			loadedOnce = true;
			recovered(body);
			waiting.forEach(append);
			waiting = null;
			if (range)
				range = clamp(range);
			show();
		} catch (error) {
			if (mine.signal.aborted || signal.aborted)
				return;
			if (!loadedOnce)
				area.replaceChildren();
			failed(body, true, error, load);
		}
	}

	function append(detail) {
		runs.find((run) => run.id === detail.job)?.append(detail, look.keep);
	}

	/** anew: what has to be asked for is another, too. */
	function changed(anew) {
		if (anew) {
			range = null;
			load();
		} else if (loadedOnce) {
			draw(true);
		}
	}

	function read(query) {
		look.read(query);
		const [from, to] = ['from', 'to'].map((key) => Number.parseFloat(query.get(key)));
		range = from < to && !look.keep ? [from, to] : null;
		readHidden(query);
	}

	const ours = (job) => runs.find((run) => run.id === job);
	bus.addEventListener('metric', ({ detail }) => {
		if (!ours(detail.job))
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
	bus.addEventListener('score', ({ detail }) => {
		if (!waiting && ours(detail.job)) {
			ours(detail.job).score(detail);
			show();
		}
	}, { signal });
	bus.addEventListener('state', ({ detail }) => {
		if (ours(detail.job) && detail.rewound_to !== null && detail.rewound_to !== undefined) {
			waiting = []; // points above that step are void, those that follow are not
			ours(detail.job).timed = false;
			load();
		}
	}, { signal });
	bus.addEventListener('reset', load, { signal });
	signal.addEventListener('abort', () => {
		attempt?.abort();
		clearTimeout(askTimer);
		clearTimeout(noteTimer);
	});
	ctx.onRestore((query) => {
		read(query);
		load();
	});
	read(ctx.query);
	load();
	return { controls: look.node, body, told, plots };
}
