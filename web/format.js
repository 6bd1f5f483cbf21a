// Numbers, times and sizes for people.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function count(n) {
	return n === null || n === undefined ? '–' : whole.format(n);
}

export function plural(n, one, many = `${one}s`) {
	return `${count(n)} ${n === 1 ? one : many}`;
}

/** Four figures that keep their width: 0.7123, 12.35, 812.5 */
export function figure(x) {
	if (x === null || x === undefined || !Number.isFinite(x))
		return '–';
	const size = Math.abs(x);
	if (size >= 1e5 || (size > 0 && size < 1e-4))
		return x.toExponential(2);
	return size >= 1000 ? count(x) : x.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

export function rate(x) {
	return x === null || x === undefined ? '–' : x >= 100 ? count(x) : figure(x);
}

export function duration(seconds) {
	if (seconds === null || seconds === undefined || !Number.isFinite(seconds))
		return '–';
	const s = Math.max(0, Math.round(seconds));
	if (s < 60)
		return s < 1 ? 'under 1 s' : `${s} s`;
	if (s < 3600)
		return s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.round(s / 60)} min`;
	const minutes = Math.round(s / 60);
	if (minutes < 48 * 60)
		return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
	return `${Math.floor(minutes / 1440)} days ${Math.floor(minutes % 1440 / 60)} h`;
}

export function bytes(n) {
	if (n === null || n === undefined)
		return '–';
	const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
	let i = 0;
	while (n >= 1000 && i < units.length - 1) {
		n /= 1000;
		i++;
	}
	return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** Seconds between two ISO times (the second may be missing: now). */
export function between(from, to) {
	return from ? ((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000 : null;
}

export function when(iso) {
	if (!iso)
		return '–';
	const date = new Date(iso);
	const today = date.toDateString() === new Date().toDateString();
	const time = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
	return today ? `today ${time}` : `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })} ${time}`;
}

export function clock(iso) {
	return iso ? new Date(iso).toLocaleTimeString('en-GB') : '';
}

export function jobTitle(job) {
	return job.name || `Job ${job.id}`;
}

export function value(v) {
	return typeof v === 'boolean' ? (v ? 'yes' : 'no') : v === null || v === undefined || v === '' ? '–' : String(v);
}
