// The page: which view the address names, the banner, the notices.

import { h, replace, announce, setText, toast } from './dom.js';
import * as api from './api.js';
import { bus, start, rest, retryNow } from './events.js';
import { jobs } from './state.js';
import { jobTitle } from './format.js';
import { jobsView } from './jobs.js';
import { jobView } from './job.js';
import { formView } from './form.js';
import { datasetsView } from './datasets.js';
import { session, begin, locked, loginView } from './session.js';
import { compareView } from './compare.js';

const ROUTES = [
	[/^\/jobs$/, 'jobs', jobsView],
	[/^\/jobs\/([1-9]\d{0,15})$/, 'jobs', (ctx, id) => jobView({ ...ctx, id: Number(id) })],
	[/^\/compare$/, 'compare', compareView],
	[/^\/new$/, 'new', formView],
	[/^\/datasets$/, 'datasets', datasetsView],
];
const main = document.getElementById('main');
const banner = document.getElementById('banner');
let current = null; // the view that is shown: {path, controller, restores}
let shownOnce = false;

/** The address after '#': '/jobs/3?window=200' */
function address() {
	const [path, query = ''] = (location.hash.slice(1) || '/jobs').split('?');
	return { path, query: new URLSearchParams(query) };
}

/** Notes a view's settings in the address; step: so that the browser's back button undoes it. */
function setQuery(path, values, step = false) {
	const here = address();
	if (here.path !== path)
		return;
	for (const [key, value] of Object.entries(values))
		if (value === '')
			here.query.delete(key);
		else
			here.query.set(key, value);
	const query = here.query.toString().replaceAll('%2C', ',');
	const url = `#${path}${query ? `?${query}` : ''}`;
	if (url !== location.hash)
		history[step ? 'pushState' : 'replaceState'](null, '', url);
}

function setTitle(text) {
	const title = `${text} – dcgand`;
	if (document.title !== title)
		document.title = title;
}

function notFound() {
	return {
		title: 'Not found',
		node: h('div', { class: 'blank' }, h('h1', {}, 'There is no such page'), h('a', { class: 'button', href: '#/jobs' }, 'To the jobs')),
	};
}

function show() {
	const { path, query } = address(), stranger = locked();
	// Back, or another address of the same view: it knows how to go there without a blink.
	if (current?.path === path && !stranger && current.restores.length > 0) {
		current.restores.forEach((restore) => restore(query));
		return;
	}
	current?.controller.abort();
	const controller = new AbortController(), restores = [];
	current = { path, controller, restores };
	const { signal } = controller;
	const ctx = {
		get query() {
			return address().query;
		},
		signal, setQuery: (values, step) => signal.aborted || setQuery(path, values, step), onRestore: (restore) => restores.push(restore),
		setTitle: (text) => signal.aborted || setTitle(text),
	};
	let view = stranger ? loginView() : null, section = '';
	for (const [pattern, name, make] of ROUTES) {
		const match = pattern.exec(path);
		if (match && !view) {
			section = name;
			view = make(ctx, ...match.slice(1));
			break;
		}
	}
	view ??= notFound();
	replace(main, view.node);
	if (view.title)
		setTitle(view.title);
	for (const link of document.querySelectorAll('[data-nav]')) {
		if (link.dataset.nav === section)
			link.setAttribute('aria-current', 'page');
		else
			link.removeAttribute('aria-current');
	}
	if (shownOnce || view.focus) {
		scrollTo(0, 0);
		(view.focus ?? main).focus({ preventScroll: true });
	}
	shownOnce = true;
}

// A short break (a reload, a stream that is opened anew) is not worth a banner.
let bannerTimer = 0;
bus.addEventListener('connection', ({ detail }) => {
	clearTimeout(bannerTimer);
	if (!detail.online) {
		bannerTimer = setTimeout(() => {
			banner.hidden = locked();
		}, 1000);
		return;
	}
	if (!banner.hidden)
		announce('Connected again');
	banner.hidden = true;
	for (const button of document.querySelectorAll('main [data-retry]'))
		button.click();
});
document.getElementById('retry').addEventListener('click', retryNow);

bus.addEventListener('state', ({ detail }) => {
	const { job: id, state, previous } = detail;
	const name = jobs.has(id) ? jobTitle(jobs.get(id)) : `Job ${id}`;
	if (state === 'failed' && !location.hash.startsWith(`#/jobs/${id}`))
		toast(`${name} failed: ${detail.error ?? 'no reason was given'}`, 'error');
	else if (previous !== null)
		announce(`${name} is now ${state}`);
});

// The address is taken by the views, so the skip link cannot be an ordinary fragment.
document.querySelector('.skip').addEventListener('click', (event) => {
	event.preventDefault();
	main.focus();
});
// A button that works on something keeps the focus but does nothing more (dom.js, busy).
document.addEventListener('click', (event) => {
	if (event.target instanceof Element && event.target.closest('[aria-disabled=true]')) {
		event.preventDefault();
		event.stopPropagation();
	}
}, true);
addEventListener('hashchange', show);

// Nothing is asked for, and no stream opened, before somebody is logged in (where that is needed).
let started = false;
function enter() {
	if (locked()) {
		banner.hidden = true;
		rest();
	} else if (started) {
		retryNow();
	} else {
		started = true;
		start();
		api.get('/version').then(({ version }) => setText(document.getElementById('version'), `dcgand ${version}`), () => {});
	}
	show();
}
session.addEventListener('change', enter);
begin().then(() => started || locked() || enter());
