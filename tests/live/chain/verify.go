// Go's own judgement of one certificate below one CA, for the folders given: a line each, "ok" or why not.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	for _, folder := range os.Args[1:] {
		if err := verify(folder); err != nil {
			fmt.Printf("%q\n", err.Error())
		} else {
			fmt.Println("ok")
		}
	}
}

func verify(folder string) error {
	ca, err := read(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return err
	}
	leaf, err := read(filepath.Join(folder, "leaf.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

func read(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	return x509.ParseCertificate(block.Bytes)
}
