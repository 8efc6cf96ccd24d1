/* One request by libcurl: client URL [FILE], with certificates from FILE. */
#include <curl/curl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	CURL *curl = curl_easy_init();
	CURLcode code;

	if (!curl || argc < 2)
		return 2;
	curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
	if (argc > 2)
		curl_easy_setopt(curl, CURLOPT_CAINFO, argv[2]);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		fprintf(stderr, "%s\n", curl_easy_strerror(code));
	curl_easy_cleanup(curl);
	return code != CURLE_OK;
}
