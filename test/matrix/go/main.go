// Command client makes one request with one library, set up for no proxy:
// client LIBRARY URL.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/coder/websocket"
	"github.com/go-resty/resty/v2"
	"github.com/google/go-github/v75/github"
	gorilla "github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpproxy"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/emptypb"
)

type client func(ctx context.Context, u *url.URL) error

func clients() map[string]client {
	return map[string]client{
		"net-http":           get(http.DefaultClient),
		"net-http-bare":      get(&http.Client{Transport: &http.Transport{}}),
		"net-http-own-proxy": get(&http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}),
		"go-github": func(ctx context.Context, _ *url.URL) error {
			_, _, err := github.NewClient(nil).WithAuthToken(os.Getenv("GITHUB_TOKEN")).Users.Get(ctx, "")
			return err
		},
		"slack-go": func(ctx context.Context, _ *url.URL) error {
			_, err := slack.New("authsome-proxy-managed").AuthTestContext(ctx)
			return err
		},
		"resty": func(ctx context.Context, u *url.URL) error {
			_, err := resty.New().R().SetContext(ctx).Get(u.String())
			return err
		},
		"fasthttp": func(_ context.Context, u *url.URL) error {
			_, _, err := fasthttp.GetTimeout(nil, u.String(), 20*time.Second)
			return err
		},
		"fasthttp-env": func(_ context.Context, u *url.URL) error {
			c := &fasthttp.Client{Dial: fasthttpproxy.FasthttpProxyHTTPDialer()}
			_, _, err := c.GetTimeout(nil, u.String(), 20*time.Second)
			return err
		},
		"coder-websocket": func(ctx context.Context, u *url.URL) error {
			c, _, err := websocket.Dial(ctx, "wss://"+u.Host+"/ws", nil)
			if err == nil {
				err = c.Close(websocket.StatusNormalClosure, "")
			}
			return err
		},
		"gorilla": func(ctx context.Context, u *url.URL) error {
			c, _, err := gorilla.DefaultDialer.DialContext(ctx, "wss://"+u.Host+"/ws", nil)
			if err == nil {
				err = c.Close()
			}
			return err
		},
		"grpc-go": func(ctx context.Context, u *url.URL) error {
			c, err := grpc.NewClient(u.Host+":443", grpc.WithTransportCredentials(credentials.NewTLS(nil)))
			if err != nil {
				return err
			}
			defer c.Close()
			return c.Invoke(ctx, "/lab.Lab/Ask", &emptypb.Empty{}, &emptypb.Empty{})
		},
	}
}

func get(c *http.Client) client {
	return func(ctx context.Context, u *url.URL) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return err
		}
		answer, err := c.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	u, err := url.Parse(os.Args[2])
	if err == nil {
		err = clients()[os.Args[1]](ctx, u)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
