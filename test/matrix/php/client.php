<?php // One request by one library, set up for no proxy: client.php LIBRARY URL.
[, $library, $url] = $argv;
$clients = [
	'curl' => function () use ($url) { $c = curl_init($url); return curl_exec($c) ?: exit(curl_error($c)); },
	'streams' => fn () => file_get_contents($url),
	'guzzle' => function () use ($url) {
		require 'GuzzleHttp/autoload.php';
		return (string) (new GuzzleHttp\Client())->get($url)->getBody();
	},
];
echo $clients[$library]();
