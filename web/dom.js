// Building elements. Text from the server only ever becomes a text node.

/** h('p', {class: 'x', onclick: f}, 'text', node, null) */
export function h(tag, attrs = {}, ...children) {
	const node = document.createElement(tag);
	for (const [key, value] of Object.entries(attrs)) {
		if (value === undefined || value === null || value === false)
			continue;
		if (key.startsWith('on'))
			node.addEventListener(key.slice(2), value);
		else if (key === 'value' || key === 'checked')
			node[key] = value;
		else
			node.setAttribute(key, value === true ? '' : value);
	}
	add(node, children);
	return node;
}

export function add(node, children) {
	for (const child of children.flat())
		if (child !== undefined && child !== null && child !== false)
			node.append(child);
}

export function replace(node, ...children) {
	node.replaceChildren();
	add(node, children);
}

/** Sets a text only when it changed, so that nothing is laid out or announced in vain. */
export function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

/** A custom property as it now is: light, dark. */
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const SVG = 'http://www.w3.org/2000/svg';
/** A piece of line as a chart draws it; kind: the class that gives its colour. */
export function stroke(kind, dash = []) {
	const svg = document.createElementNS(SVG, 'svg'), line = document.createElementNS(SVG, 'line');
	for (const [name, value] of Object.entries({ class: `swatch ${kind}`, viewBox: '0 0 26 4', width: 26, height: 4, 'aria-hidden': 'true' }))
		svg.setAttribute(name, value);
	for (const [name, value] of Object.entries({ x1: 0, x2: 26, y1: 2, y2: 2, 'stroke-width': 3, 'stroke-dasharray': dash.join(' ') }))
		line.setAttribute(name, value);
	svg.append(line);
	return svg;
}

let serial = 0;
export function uniqueId(prefix) {
	return `${prefix}-${++serial}`;
}

/** Tells assistive technology, politely. */
export function announce(text) {
	document.getElementById('status').textContent = text;
}

/** A message in the corner that goes by itself (errors stay longer and can be closed). */
export function toast(text, kind = 'info') {
	const close = h('button', { type: 'button', class: 'plain', 'aria-label': 'Close this message', onclick: () => node.remove() }, '×');
	const node = h('div', { class: `toast ${kind}`, role: kind === 'error' ? 'alert' : 'status' }, h('span', {}, text), close);
	document.getElementById('toasts').append(node);
	setTimeout(() => node.remove(), kind === 'error' ? 12000 : 5000);
}

/** A block for "loading", "nothing here" and "that failed, try again". */
export function loading(text) {
	return h('div', { class: 'blank', role: 'status' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), h('p', {}, text));
}

export function failure(error, retry) {
	return h('div', { class: 'callout bad', role: 'alert' },
		h('div', {}, h('strong', {}, 'This could not be loaded. '), h('span', {}, error.message)),
		retry && h('button', { type: 'button', onclick: retry, 'data-retry': true }, 'Try again'));
}

/** Tells of a failed load: above what is shown already (keep), else in its place. */
export function failed(body, keep, error, retry) {
	recovered(body);
	if (!keep)
		body.replaceChildren();
	body.prepend(failure(error, retry));
}

/** And that it is over. */
export function recovered(body) {
	body.querySelector(':scope > .callout.bad')?.remove();
}

/** A button that works: it keeps the focus, and clicks do nothing (see app.js). */
export function busy(button, on) {
	button.classList.toggle('busy', on);
	if (on)
		button.setAttribute('aria-disabled', 'true');
	else
		button.removeAttribute('aria-disabled');
}

/** Whether a key press belongs to a field rather than to the page. */
export function isTyping(event) {
	return event.target instanceof Element && event.target.closest('input, select, textarea, dialog') !== null;
}
