package objectstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/loghaul/loghaul/sinks"
)

// fail says in one line what was being done, where, what came back and what to
// do, and whether trying again can help.
func (b *bucket) fail(ctx context.Context, doing string, err error) error {
	where := fmt.Sprintf("archive %s at %s: %s", b, b.endpoint, doing)
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", where, ctx.Err())
	}
	if resp, ok := errors.AsType[minio.ErrorResponse](err); ok {
		return b.refused(where, resp)
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // it would repeat the endpoint and the query
	}
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		cert      *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%s: %w: its certificate is from an unknown authority: name the CA file in LOGHAUL_S3_CA: %w", where, sinks.ErrPermanent, err)
	case errors.As(err, &hostname), errors.As(err, &cert):
		return fmt.Errorf("%s: %w: its certificate is not valid: %w", where, sinks.ErrPermanent, err)
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Errorf("%s: %w: the endpoint speaks plain HTTP: write http:// or use its TLS port: %w", where, sinks.ErrPermanent, err)
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("%s: cannot reach the endpoint: %w", where, err)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// refused turns an answer of the server into an error.
func (b *bucket) refused(where string, r minio.ErrorResponse) error {
	said := fmt.Sprintf("%s (HTTP %d)", r.Code, r.StatusCode)
	if r.Message != "" && r.Message != r.Code {
		said += ": " + strings.TrimSuffix(strings.Join(strings.Fields(r.Message), " "), ".")
	}
	if r.Code == minio.NoSuchKey {
		return fmt.Errorf("%s: %w", where, sinks.ErrNotFound)
	}
	if hint := b.hint(r); hint != "" {
		return fmt.Errorf("%s: %w: %s: %s", where, sinks.ErrPermanent, said, hint)
	}
	return fmt.Errorf("%s: %s", where, said)
}

// hint is what an operator has to do about an answer, "" when waiting helps.
func (b *bucket) hint(r minio.ErrorResponse) string {
	said := strings.ToLower(r.Message)
	switch {
	case isUnlockedBucket(r):
		return "the bucket has no Object Lock: turn it on (it needs versioning; many servers only can when the bucket is made), or take archive.lock out"
	case r.StatusCode == http.StatusBadRequest && strings.Contains(said, "server side encryption"):
		return "the object was stored with sse-c: name the file with its key in LOGHAUL_S3_SSE_KEY_FILE"
	case strings.HasPrefix(r.Code, "KMS"):
		return "check archive.encryption.kms_key, and that the key's policy allows kms:GenerateDataKey and kms:Decrypt to this access key"
	}
	switch r.Code {
	case "NoSuchBucket":
		return fmt.Sprintf("make the bucket %q or correct the archive URL", b.name)
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		return "check AWS_ACCESS_KEY_ID"
	case "SignatureDoesNotMatch":
		return "check AWS_SECRET_ACCESS_KEY, and that no proxy changes the host name"
	case "InvalidToken", "ExpiredToken", "InvalidTokenId":
		return "renew AWS_SESSION_TOKEN"
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		allow := "s3:PutObject, s3:GetObject and s3:ListBucket"
		if b.lock.set() {
			allow = "s3:PutObject, s3:PutObjectRetention, s3:GetObjectRetention, s3:GetObject and s3:ListBucket"
		}
		hint := fmt.Sprintf("allow %s on %q to this access key", allow, b.name)
		if b.readKey() != nil {
			hint += "; AWS also refuses sse-c so until the bucket's BlockedEncryptionTypes are NONE"
		}
		return hint
	case "RequestTimeTooSkewed":
		return "set this machine's clock"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidRegion", "IllegalLocationConstraintException":
		region := "the bucket's region"
		if r.Region != "" {
			region += " (" + r.Region + ")"
		}
		return "say " + region + " as ?region=… in the archive URL"
	// A body that was damaged or cut on its way is right at the next attempt.
	case "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "InvalidDigest",
		"IncompleteBody", "RequestTimeout", "SlowDown", "OperationAborted", "ConditionalRequestConflict":
		return ""
	}
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests, 499:
		return ""
	case http.StatusNotImplemented:
		return "this server cannot do what an archive needs (create-only PUT with If-None-Match)"
	}
	if r.StatusCode >= 300 && r.StatusCode < 500 {
		return "the server will refuse this again: correct the archive URL, its settings or the server"
	}
	return ""
}
