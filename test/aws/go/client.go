package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// client does with the SDK's defaults what a program does: who am I, an object
// up and down, one as a stream, one in parts, one by presigned URL.
func client() error {
	ctx := context.Background()
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	who, err := sts.NewFromConfig(settings).GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Println("account", aws.ToString(who.Account))
	api := s3.NewFromConfig(settings)
	if _, err := api.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a b+c/ü"), Body: strings.NewReader("hello")}); err != nil {
		return err
	}
	if err := show(api, "a b+c/ü"); err != nil {
		return err
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 6<<20/16)
	stream := struct{ io.Reader }{bytes.NewReader(large)} // of unknown length: in parts
	if _, err := manager.NewUploader(api).Upload(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("large"), Body: stream}); err != nil {
		return err
	}
	if err := show(api, "large"); err != nil {
		return err
	}
	presigned, err := s3.NewPresignClient(api).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a b+c/ü")})
	if err != nil {
		return err
	}
	res, err := http.Get(presigned.URL)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println("presigned", res.StatusCode, string(body))
	return err
}

func show(api *s3.Client, key string) error {
	object, err := api.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key)})
	if err != nil {
		return err
	}
	defer object.Body.Close()
	body, err := io.ReadAll(object.Body)
	fmt.Println(key, len(body), string(body[:min(5, len(body))]))
	return err
}
