// What a chart is drawn against (steps, epochs or time), and where its ticks stand.

import * as f from './format.js';

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 4 });
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** 1, 2 or 5 times a power of ten: the least of these that gives at most so many ticks. */
function niceStep(span, most) {
	const rough = span / most, power = 10 ** Math.floor(Math.log10(rough));
	return [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
}

function multiples(step, min, max) {
	const list = [];
	for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9 && list.length < 100; i++)
		list.push(Number((i * step).toPrecision(12)));
	return list;
}

export function ticks(min, max, most, { whole = false } = {}) {
	if (!(max > min))
		return [min];
	return multiples(whole ? Math.max(1, niceStep(max - min, most)) : niceStep(max - min, most), min, max);
}

function timeTicks(min, max, most) {
	const step = STEPS_S.find((s) => (max - min) / s <= most) ?? 86400 * niceStep((max - min) / 86400, most);
	return max - min < 4 ? ticks(min, max, most) : multiples(step, min, max);
}

/** Powers of ten, with 2 and 5 times them where there is room. */
export function logTicks(min, max, most) {
	if (!(min > 0 && max > min))
		return [];
	const decades = Math.log10(max / min);
	if (decades < 0.7)
		return ticks(min, max, most);
	const list = [];
	const every = Math.max(1, Math.ceil(decades / most));
	for (let p = Math.floor(Math.log10(min)); p <= Math.log10(max); p++)
		for (const m of decades * 3 <= most ? [1, 2, 5] : [1])
			if (p % every === 0 && m * 10 ** p >= min * 0.999 && m * 10 ** p <= max * 1.001)
				list.push(Number((m * 10 ** p).toPrecision(3)));
	return list;
}

export function valueTick(v) {
	const size = Math.abs(v);
	if (size >= 1e4)
		return compact.format(v);
	if (size >= 1000)
		return f.count(v);
	return size > 0 && size < 1e-3 ? v.toExponential(0) : String(Number(v.toPrecision(6)));
}

/** What may stand below the charts: x and step translate for a run (run.js), text reads one
 * place, tick labels one of those that `ticks` chose, `step` being their distance. */
export const AXES = {
	step: {
		label: 'Step', least: 3,
		x: (run, step) => step,
		step: (run, x) => x,
		text: (x) => `step ${f.count(x)}`,
		ticks: (min, max, most) => ticks(min, max, most, { whole: true }),
		tick: (x, step) => (x >= 1e5 && step >= 1000 ? compact.format(x) : f.count(x)),
		url: (x) => String(Math.round(x)),
	},
	epoch: {
		label: 'Epoch', least: 0.01,
		x: (run, step) => step / run.stepsPerEpoch,
		step: (run, x) => x * run.stepsPerEpoch,
		text: (x) => `epoch ${x.toFixed(2)}`,
		ticks,
		tick: (x) => valueTick(x),
		url: (x) => String(Number(x.toFixed(4))),
	},
	time: {
		label: 'Time since the first step', least: 0.5,
		x: (run, step) => run.timeOf(step),
		step: (run, x) => run.stepAt(x),
		text: (x) => `after ${x < 10 ? `${Number(x.toFixed(1))} s` : f.duration(x)}`,
		ticks: timeTicks,
		tick: (x, step) => clockTick(x, step),
		url: (x) => String(Number(x.toFixed(2))),
	},
};

/** 0:05, 12:30, 3:15 h: as short as the distance of the ticks allows. */
function clockTick(seconds, step) {
	if (step < 1)
		return `${Number(seconds.toFixed(Math.ceil(-Math.log10(step) - 1e-9)))} s`;
	const s = Math.round(seconds), pad = (n) => String(n).padStart(2, '0');
	if (step >= 86400)
		return `${s / 86400} d`;
	if (s >= 3600 || step >= 3600)
		return `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)} h`;
	return `${Math.floor(s / 60)}:${pad(s % 60)} min`;
}
